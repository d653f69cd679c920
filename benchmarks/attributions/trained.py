"""One trained network in both forms, and cells to explain."""

from __future__ import annotations

import copy
import warnings
from typing import NamedTuple

import torch
from shared import DenseAttention
from torch import Tensor, nn

SEED = 0


class Sizes(NamedTuple):
    """What is measured, in full or as a smoke test."""

    n_genes: int | None = None  # all
    n_obs: int = 100
    n_steps: int = 50
    max_epochs: int = 2
    converged: tuple[int, ...] = (50, 200)  # steps whose completeness is compared
    methods_genes: int = 100
    methods_obs: int = 4
    n_samples: int = 5  # noisy copies
    noise: float = 0.1


QUICK = Sizes(
    n_genes=100, n_obs=10, max_epochs=1, converged=(50, 100), methods_genes=40, methods_obs=2
)


class Networks(NamedTuple):
    """One trained network in both forms, and cells to explain."""

    ours: nn.Module
    dense: nn.Module
    cells: Tensor
    targets: Tensor

    def to(self, dtype: torch.dtype) -> Networks:
        ours, dense = (copy.deepcopy(each).to(dtype) for each in (self.ours, self.dense))
        return Networks(ours, dense, self.cells.to(dtype), self.targets)


def trained(n_genes: int | None, n_obs: int, max_epochs: int) -> Networks:
    """Paper preset after a short training, and cells in random order."""
    import scanpy as sc  # noqa: PLC0415

    import tgem  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the file is older than what reads it
        adata = sc.datasets.pbmc68k_reduced().raw.to_adata()
    adata = adata[:, :n_genes].copy()
    tgem.model.TGEM.setup_anndata(adata, labels_key="bulk_labels")
    model = tgem.model.TGEM(adata, preset="paper")
    model.train(
        max_epochs=max_epochs,
        seed=SEED,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    ours = model.module.eval().requires_grad_(requires_grad=False)
    dense = copy.deepcopy(ours)
    dense.attentions = nn.ModuleList(map(DenseAttention, dense.attentions))
    order = torch.randperm(adata.n_obs, generator=torch.Generator().manual_seed(SEED))
    cells = torch.as_tensor(adata.X[order[:n_obs].numpy()].toarray(), dtype=torch.float32)
    return Networks(ours, dense, cells, ours(cells).argmax(1))
