"""The published network with single things changed; for the study only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from tgem.model.tgem._class_queries import ClassQueryModule
from tgem.model.tgem._module import TGEMModule

if TYPE_CHECKING:
    from typing import Any


class Standardized:
    """For a network: standardised levels of genes, as the default network has them."""

    def start_standardization(self, n_genes: int) -> None:
        self.register_buffer("gene_mean", torch.zeros(n_genes))
        self.register_buffer("gene_scale", torch.ones(n_genes))

    set_standardization = ClassQueryModule.set_standardization
    levels = ClassQueryModule.levels


class Balanced:
    """For a network: every class weighs the same in the loss, however many cells it has."""

    def __init__(self, *sizes: int, **options: Any) -> None:
        super().__init__(*sizes, **options)
        self.register_buffer("class_weight", torch.ones(self.n_classes))

    def set_class_sizes(self, n_cells: Tensor) -> None:
        self.class_weight.copy_(n_cells.sum() / n_cells.clamp_min(1) / len(n_cells))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(outputs, targets, self.class_weight)


class BalancedTGEM(Balanced, TGEMModule):
    pass


class StandardizedTGEM(Standardized, TGEMModule):
    def __init__(self, n_genes: int, n_classes: int, **options: Any) -> None:
        super().__init__(n_genes, n_classes, **options)
        self.start_standardization(n_genes)

    def latent(self, expression: Tensor) -> Tensor:
        return super().latent(self.levels(expression))


class WithoutResidual(TGEMModule):
    """The classifier reads what the last layer attends to, and not its input."""

    def latent(self, expression: Tensor) -> Tensor:
        hidden = added = expression
        for attention in self.attentions:
            added = self.norm(self.dropout(attention(hidden)))
            hidden = hidden + added
        return functional.leaky_relu(added, 0.1)


class NormBeforeDropout(TGEMModule):
    """Dropout after the normalisation, which then does not see which genes were dropped."""

    def latent(self, expression: Tensor) -> Tensor:
        hidden = expression
        for attention in self.attentions:
            hidden = hidden + self.dropout(self.norm(attention(hidden)))
        return functional.leaky_relu(hidden, 0.1)


class LargerEps(TGEMModule):
    """A normalisation that leaves an almost constant attention output almost constant."""

    def __init__(self, *sizes: int, eps: float, **options: Any) -> None:
        super().__init__(*sizes, **options)
        self.norm.eps = eps


class LargerHeadWeight(TGEMModule):
    """Heads are averaged at the start, and not summed a thousandth each."""

    def __init__(self, *sizes: int, **options: Any) -> None:
        super().__init__(*sizes, **options)
        for attention in self.attentions:
            nn.init.constant_(attention.head_weight, 1 / len(attention.head_weight))


class LargerLogits(TGEMModule):
    """Queries and keys start further from zero, so that maps start further from uniform."""

    def __init__(self, *sizes: int, factor: float, **options: Any) -> None:
        super().__init__(*sizes, **options)
        with torch.no_grad():
            for attention in self.attentions:
                attention.query.mul_(factor)
                attention.key.mul_(factor)


class GeneDropout(TGEMModule):
    """Whole genes are dropped from the input in training."""

    def __init__(self, *sizes: int, share: float, **options: Any) -> None:
        super().__init__(*sizes, **options)
        self.gene_dropout = nn.Dropout(share)

    def latent(self, expression: Tensor) -> Tensor:
        return super().latent(self.gene_dropout(expression))
