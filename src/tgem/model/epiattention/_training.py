"""How EpiAttention is trained: splits that keep genes together, scales, a linear start."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tgem._core.errors import TrainingWarning, warn
from tgem._core.scvi_compat import SETUP_ARGS, field_states
from tgem.model.epiattention import _genes
from tgem.model.epiattention._epigenome_model import SCAN_GENES
from tgem.model.epiattention._factor_network import EpigenomeNetwork
from tgem.model.epiattention._module import EXPRESSION_KEY
from tgem.train import KeepBestWeights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lightning.pytorch import Callback

    from tgem.data import FieldDataset, Split
    from tgem.model.epiattention._presets import Preset

LARGEST_LOG_EXPRESSION = 30.0


class TrainedEpigenome(EpigenomeNetwork):
    """Training of EpiAttention: which genes, on which scales, and what is fixed before it."""

    _preset: Preset
    _fold: Split | None = None  # of a cross-validation, in place of a split of its own

    def _training_defaults(self) -> dict[str, Any]:
        return self._preset.training

    def _callbacks(self) -> list[Callback]:
        monitor = self._preset.monitor if self._task == "binary" else "validation_loss"
        return [KeepBestWeights(monitor, larger_is_better=monitor == "validation_auroc")]

    def _targets(self, dataset: FieldDataset) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Measured expression and code of the cell type of all observations."""
        if self.registry_[SETUP_ARGS]["expression_key"] is None:
            msg = (
                "Training needs measured expression, and the data were set up without "
                "`expression_key`. Set them up again with `expression_key=...`."
            )
            raise ValueError(msg)
        targets = dataset.read(EXPRESSION_KEY)
        return targets[:, 0].copy(), targets[:, 1].astype(np.int64)

    def _make_split(self, dataset: FieldDataset, split_key: str | None, **sizes: Any) -> Split:
        expression, cell_type = self._targets(dataset)
        self._check_task(expression)
        if self._fold is not None:
            return self._fold
        codes = self._usable(dataset, _genes.levels(expression, cell_type))
        named, data = self.registry_[SETUP_ARGS], self._data(None)
        key = split_key if split_key is not None else named["split_key"]
        if key is not None:
            genes = _genes.gene_names(data, named["gene_key"])
            return _genes.split_from_obs(data, codes, key, genes)
        groups = _genes.groups_of(data, named["gene_key"], named["group_key"])
        return _genes.split_by_group(codes, groups, **sizes)

    def _usable(self, dataset: FieldDataset, codes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Leave genes without any modality out of training."""
        has = self._are_measured(dataset, np.arange(len(codes)))
        if not has.all():
            msg = (
                f"{int((~has).sum())} of {len(has)} observations were measured in no modality; "
                "they are left out of training."
            )
            warn(msg, TrainingWarning)
        return np.where(has, codes, -1)

    def _check_task(self, expression: np.ndarray[Any, Any]) -> None:
        measured = expression[~np.isnan(expression)]
        key = self.registry_[SETUP_ARGS]["expression_key"]
        if len(np.unique(measured)) < 2:
            msg = f"Expected expression that varies in .obs[{key!r}], found one value only."
            raise ValueError(msg)
        if self._task == "regression" and measured.max() > LARGEST_LOG_EXPRESSION:
            msg = (
                f"Expected log expression in .obs[{key!r}] for `task='regression'`, found values "
                f"up to {measured.max():g}. Take logarithms, for example `np.log1p`, or use "
                "`task='binary'`."
            )
            raise ValueError(msg)

    def _prepare_module(self, dataset: FieldDataset, cells: np.ndarray[Any, Any]) -> None:
        """Fix scales and thresholds by the training genes."""
        for name in self.modalities:
            self.module.scales[name].fit(self._blocks(dataset, name, cells), name)  # type: ignore[operator]
        targets = dataset.read(EXPRESSION_KEY, cells)
        if self._task == "regression":
            self.module.target_mean.fill_(float(targets[:, 0].mean()))
            self.module.target_scale.fill_(max(float(targets[:, 0].std()), 1e-6))
        if not field_states(self.registry_)[EXPRESSION_KEY]["is_binary"]:
            for code in range(len(self.module.threshold)):
                values = targets[targets[:, 1] == code, 0]
                if len(values):
                    self.module.threshold[code] = float(np.median(values))
        if self.module.linear is not None:
            self._fit_linear(dataset, cells, torch.from_numpy(targets))

    def _fit_linear(
        self, dataset: FieldDataset, cells: np.ndarray[Any, Any], targets: torch.Tensor
    ) -> None:
        """Fit the linear part, genes or groups of genes kept together."""
        module, linear = self.module, self.module.linear
        assert linear is not None
        values = [
            linear.values(module.scales, *module.masked(*inputs)).cpu().numpy()
            for inputs in self._batches(dataset, cells, SCAN_GENES)
        ]
        if self._task == "regression":
            wanted = (targets[:, 0] - module.target_mean) / module.target_scale
        else:
            wanted = 2 * module.is_high(targets) - 1
        named = self.registry_[SETUP_ARGS]
        groups = _genes.groups_of(self._data(None), named["gene_key"], named["group_key"])
        linear.fit(np.concatenate(values), wanted.double().numpy(), groups[cells])

    @contextmanager
    def _around_training(
        self, dataset: FieldDataset, cells: np.ndarray[Any, Any], *, seed: int
    ) -> Iterator[np.ndarray[Any, Any]]:
        """Train the network alone; afterwards the linear part counts beside it."""
        linear = self.module.linear
        if linear is None:
            yield cells
            return
        linear.take_part(counts=False)
        try:
            yield cells
        finally:
            linear.take_part(counts=True)

    def _blocks(
        self, dataset: FieldDataset, name: str, cells: np.ndarray[Any, Any]
    ) -> Iterator[torch.Tensor]:
        for start in range(0, len(cells), SCAN_GENES):
            yield torch.from_numpy(dataset.read(name, cells[start : start + SCAN_GENES]))
