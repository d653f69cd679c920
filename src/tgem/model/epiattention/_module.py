"""The EpiAttention network."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection

from tgem.model.epiattention._branches import FactorBranch, HistoneBranch, MethylationBranch
from tgem.model.epiattention._inputs import Grid, GridScale, separate
from tgem.model.epiattention._linear import LINEAR_MODALITIES, LinearPart
from tgem.model.epiattention._metrics import HighAccuracy, HighAUROC, MeasuredError
from tgem.nn.focal_loss import focal_loss
from tgem.nn.fusion import AttentionFusion
from tgem.nn.module import SupervisedModule

if TYPE_CHECKING:
    from collections.abc import Mapping

CELL_TYPE_KEY = "cell_type"
EXPRESSION_KEY = "expression"
FUSION = "fusion"


class Encoded(NamedTuple):
    """What the network makes of a batch.

    Attributes
    ----------
    latent
        Regulatory latent vector, ``(n_obs, n_entries)``.
    attention
        Attention of each modality ``(n_obs, n_bins or n_slots)`` and of the fusion
        ``(n_obs, n_attentions, n_entries)``. Factors are left out: see
        :meth:`EpiAttentionModule.factor_attention`.
    """

    latent: Tensor
    attention: dict[str, Tensor]


class EpiAttentionModule(SupervisedModule):
    """Branches for histone marks, methylation and factors, fused by several attentions.

    Measurements that are NaN are masked: they get attention 0, influence nothing and receive no
    gradient. A branch sees only the genes that have its modality.

    Parameters
    ----------
    grids
        Sizes of the modalities.
    n_cell_types
        Cell types with an embedding of their own; 0 for none.
    task
        ``"binary"`` or ``"regression"``.
    standardize
        Whether inputs are put on the scale of the training genes.
    residual
        Whether factors and the fused vector keep what they attend from, and tracks are padded.
    dropout
        Share of the factors' features, the latent vector, and the classifier's hidden units that
        is dropped in training.
    linear
        Whether a penalised linear prediction of marks and methylation is added to the network's.
    n_attentions
        Attentions of the fusion.
    n_embedding
        Size of a cell type's embedding.
    """

    target_key: ClassVar[str] = EXPRESSION_KEY

    threshold: Tensor
    target_mean: Tensor
    target_scale: Tensor

    def __init__(
        self,
        grids: Mapping[str, Grid],
        n_cell_types: int,
        *,
        task: str = "binary",
        standardize: bool = False,
        residual: bool = False,
        dropout: float = 0.0,
        linear: bool = False,
        n_attentions: int = 10,
        n_embedding: int = 8,
    ) -> None:
        super().__init__()
        self.task, self.names, self.grids = task, tuple(grids), dict(grids)
        cell_type = (CELL_TYPE_KEY,) if n_cell_types else ()
        self.input_keys = (*self.names, *cell_type)  # type: ignore[misc]
        self.scales = nn.ModuleDict(
            {name: GridScale(name, grid, standardize=standardize) for name, grid in grids.items()}
        )
        self.branches = nn.ModuleDict(
            {
                name: make_branch(name, grid, residual=residual, dropout=dropout)
                for name, grid in grids.items()
            }
        )
        sizes = [int(self.branches[name].n_features) for name in self.names]  # type: ignore[arg-type]
        self.fusion = AttentionFusion(sizes, n_attentions, residual=residual)
        self.cell_type = nn.Embedding(n_cell_types, n_embedding) if n_cell_types else None
        n_inputs = sum(sizes) + (n_embedding if n_cell_types else 0)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Sequential(
            nn.Linear(n_inputs, 32), nn.ReLU(), nn.Dropout(dropout), nn.Linear(32, 1)
        )
        has_linear = linear and any(name in LINEAR_MODALITIES for name in grids)
        self.linear = LinearPart(grids, n_cell_types, task=task) if has_linear else None
        self.register_buffer("threshold", torch.full((max(n_cell_types, 1),), 0.5))
        self.register_buffer("target_mean", torch.zeros(()))
        self.register_buffer("target_scale", torch.ones(()))

    def masked(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Inputs without NaN, each modality followed by its mask; the cell type as a float."""
        values = [
            part
            for name, tensor in zip(self.names, inputs, strict=False)
            for part in separate(tensor, name)
        ]
        return (*values, *(code.to(values[0].dtype) for code in inputs[len(self.names) :]))

    def encode(self, *inputs: Tensor) -> Encoded:
        """Latent vector and attention from what :meth:`masked` returns."""
        joint, present, attention = [], [], {}
        for i, name in enumerate(self.names):
            values, mask = inputs[2 * i], inputs[2 * i + 1] > 0.5
            has = mask.any(1)
            summary, weights = self._branch(name, values, mask, has)
            joint.append(summary)
            present.append(has)
            if weights is not None:
                attention[name] = weights
        latent, attention[FUSION] = self.fusion(torch.cat(joint, 1), torch.stack(present, 1))
        return Encoded(latent, attention)

    def _branch(
        self, name: str, values: Tensor, mask: Tensor, has: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Run a branch on the genes that have its modality, and put its results in their places."""
        branch, genes = self.branches[name], has.nonzero()[:, 0]
        summary = values.new_zeros(len(values), int(branch.n_features))  # type: ignore[arg-type]
        n_weights = {"histone": values.shape[2], "methylation": values.shape[1]}.get(name)
        weights = None if n_weights is None else values.new_zeros(len(values), n_weights)
        if genes.numel() == 0:
            return summary, weights
        scaled = self.scales[name](values[genes])
        if name == "methylation":
            found, attended = branch(scaled, mask[genes])
        elif name == "histone":
            found, attended = branch(scaled)
        else:
            return summary.index_copy(0, genes, branch(scaled)), None
        assert weights is not None
        return summary.index_copy(0, genes, found), weights.index_copy(0, genes, attended)

    def outputs(self, *inputs: Tensor) -> Tensor:
        """Outputs from what :meth:`masked` returns, ``(n_obs, 1)``."""
        output = self.decide(self.encode(*inputs).latent, *inputs[2 * len(self.names) :])
        if self.linear is not None:
            output = self.linear.join(output, self.scales, *inputs)
        if self.task == "regression":
            return self.target_mean + self.target_scale * output
        return output

    def decide(self, latent: Tensor, *cell_type: Tensor) -> Tensor:
        """The network's own output, ``(n_obs, 1)``: a logit, or standard deviations."""
        hidden = self.dropout(latent)
        if self.cell_type is not None:
            hidden = torch.cat([hidden, self.cell_type(cell_type[0].long())], 1)
        output: Tensor = self.classifier(hidden)
        return output

    def forward(self, *inputs: Tensor) -> Tensor:
        """Logit of high expression, or expression, ``(n_obs, 1)``; NaN means not measured."""
        return self.outputs(*self.masked(*inputs))

    def factor_attention(self, values: Tensor) -> Tensor:
        """Attention that each factor receives, ``(n_obs, n_factors)``, 0 without the modality."""
        filled, mask = separate(values, "tf")
        received: Tensor = self.branches["tf"].attention.received(self.scales["tf"](filled))  # type: ignore[operator, union-attr]
        return received * mask

    def is_high(self, targets: Tensor) -> Tensor:
        """1 where expression is above the threshold of its cell type, else 0."""
        codes = targets[:, 1].long()
        return (targets[:, 0] > self.threshold[codes]).to(targets.dtype)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Focal loss of high expression, or mean squared error in standard deviations."""
        if self.task == "regression":
            difference = (outputs[:, 0] - targets[:, 0]) / self.target_scale
            return (difference**2).mean()
        return focal_loss(outputs[:, 0], self.is_high(targets))

    def metrics(self) -> MetricCollection:
        """AUROC and accuracy of high expression, or the mean squared error."""
        if self.task == "regression":
            return MetricCollection({"mse": MeasuredError()})
        threshold = self.threshold.detach().clone()
        return MetricCollection(
            {"auroc": HighAUROC(threshold), "accuracy": HighAccuracy(threshold)},
            compute_groups=False,
        )


def make_branch(name: str, grid: Grid, *, residual: bool, dropout: float) -> nn.Module:
    """Freshly initialised branch of a modality."""
    if name == "histone":
        return HistoneBranch(grid.n_rows, grid.n_columns, same_padding=residual)
    if name == "methylation":
        return MethylationBranch(grid.n_columns, grid.kept[0] if grid.kept else None)
    return FactorBranch(grid.n_rows, grid.n_columns, residual=residual, dropout=dropout)
