"""The default network with single things changed; for the study only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ablations.published import Balanced, Standardized
from tgem.model.tgem._class_queries import ClassQueryModule
from tgem.model.tgem._context_gain import NOT_WEIGHED, ContextGain
from tgem.model.tgem._typing_module import TypingModule
from tgem.nn.attention_maps import AttentionSite, DenseMaps, GeneMaps
from tgem.nn.context import FARTHEST_QUERY, ContextAttention

if TYPE_CHECKING:
    from typing import Any

    from tgem.nn.attention_maps import Maps


class Unweighed(ClassQueryModule):
    """Contexts count as they were trained, whatever they are worth on cells held out."""

    def weigh_contexts(self, gain: ContextGain = NOT_WEIGHED) -> None:
        super().weigh_contexts(gain._replace(weight=NOT_WEIGHED.weight))


class DescendedLevels(ClassQueryModule):
    """Levels and contexts are trained together, on all training cells.

    Levels by gradient descent with momentum, which is what Adam with a large `eps` does, and which
    stops near small weights, as a ridge penalty would.
    """

    def __init__(self, *sizes: int, **options: Any) -> None:
        super().__init__(*sizes, **options)
        self.level_query.requires_grad_(requires_grad=True)

    def parameter_groups(self) -> list[dict[str, Any]]:
        contexts = [*self.attention.parameters(), self.context_query]
        return [
            {"params": [*self.level_query.parameters()], "lr": 5, "weight_decay": 0.03, "eps": 1.0},
            {"params": contexts},
        ]


class CellKeyAttention(ContextAttention):
    """Keys that see the cell: a gene's key changes with its own level."""

    def __init__(self, n_genes: int, n_heads: int) -> None:
        super().__init__(n_genes, n_heads)
        self.slope = nn.Parameter(torch.zeros(n_heads, n_genes))

    def maps(self, *states: Tensor) -> GeneMaps:
        levels = states[0].clamp(-FARTHEST_QUERY, FARTHEST_QUERY).unsqueeze(-2)
        return GeneMaps(levels * self.query, self.key + levels * self.slope, self.method)


class CellKeys(ClassQueryModule):
    def __init__(self, n_genes: int, n_classes: int, *, n_heads: int, dropout: float) -> None:
        super().__init__(n_genes, n_classes, n_heads=n_heads, dropout=dropout)
        self.attention = CellKeyAttention(n_genes, n_heads)


class FixedMaps(ClassQueryModule):
    """Queries and keys stay as they are drawn; only how classes read the contexts is learned."""

    def __init__(self, *sizes: int, **options: Any) -> None:
        super().__init__(*sizes, **options)
        self.attention.requires_grad_(requires_grad=False)


class BalancedContexts(Balanced, ClassQueryModule):
    """Contexts are trained with the same weight for every class; levels as ever."""


class StackedContexts(ClassQueryModule):
    """A second layer of attention reads levels with their contexts; classes read both layers."""

    def __init__(self, n_genes: int, n_classes: int, *, n_heads: int, dropout: float) -> None:
        super().__init__(n_genes, n_classes, n_heads=n_heads, dropout=dropout)
        self.second = ContextAttention(n_genes, n_heads)
        self.mix = nn.Parameter(torch.full((n_heads, n_genes), 1 / n_heads))
        self.context_query = nn.Parameter(torch.zeros(n_classes, 2 * n_heads, n_genes))

    def contexts(self, levels: Tensor) -> Tensor:
        first = self.attention(levels, self.dropout(levels))
        hidden = levels + torch.einsum("hg,...hg->...g", self.mix, first)
        second = self.second(hidden, self.dropout(hidden))
        return self.dropout(torch.cat([first, second], dim=-2))

    def latent(self, expression: Tensor) -> Tensor:
        levels = self.levels(expression)
        return torch.cat([levels, self.contexts(levels).flatten(-2)], dim=-1)

    def _from_contexts(self, levels: Tensor) -> Tensor:
        found = torch.einsum("chg,...hg->...c", self.context_query, self.contexts(levels))
        return self.context_weight * found


class ClassMaps(AttentionSite):
    """For each class a map over genes, minus the map of the opposite query.

    Without the second, a class could not ask for a gene to be low.
    """

    def __init__(self, n_genes: int, n_classes: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(n_classes, n_genes))
        self.slope = nn.Parameter(torch.zeros(n_classes, n_genes))

    def maps(self, *states: Tensor) -> DenseMaps:
        levels = states[0].clamp(-FARTHEST_QUERY, FARTHEST_QUERY).unsqueeze(-2)
        keys = self.bias + self.slope * levels
        return DenseMaps(keys.softmax(-1) - keys.neg().softmax(-1))

    def attend(self, maps: Maps, *states: Tensor) -> Tensor:
        return maps.average(states[0])


class SoftmaxClassQueries(Standardized, TypingModule):
    """Class queries over genes by a softmax, keys a bias and a multiple of the gene's level."""

    def __init__(self, n_genes: int, n_classes: int, *, scale: float, slope_rate: float) -> None:
        super().__init__(n_classes)
        self.start_standardization(n_genes)
        self.scale, self.slope_rate = scale * n_genes, slope_rate
        self.attention = ClassMaps(n_genes, n_classes)
        self.bias = nn.Parameter(torch.zeros(n_classes))

    def parameter_groups(self) -> list[dict[str, Any]]:
        slow = {"params": [self.attention.slope], "lr": self.slope_rate}
        return [{"params": [self.attention.bias, self.bias]}, slow]

    def latent(self, expression: Tensor) -> Tensor:
        return self.attention(self.levels(expression))

    def class_weights(self) -> Tensor:
        return self.scale * torch.eye(self.n_classes, device=self.device)

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.scale * self.latent(*inputs) + self.bias
