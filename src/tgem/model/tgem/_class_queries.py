"""T-GEM's network by default: class queries over genes and over their contexts."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from tgem.model.tgem._context_gain import NOT_WEIGHED, ContextGain
from tgem.model.tgem._levels import LARGEST_LEVEL
from tgem.model.tgem._typing_module import TypingModule
from tgem.nn.context import ContextAttention


class ClassQueryModule(TypingModule):
    r"""Each class asks every gene for its level and for its context.

    .. math::
        \mathrm{logit}_c = \sum_i a_{ci} x_i + \gamma \sum_{h,i} g_{chi} z_{hi} + \beta_c

    with :math:`x` the expression, standardised per gene by the training cells and limited to
    :math:`\pm 10`, and :math:`z_{hi}` the context of gene *i* that attention head *h* finds
    (:class:`~tgem.nn.context.ContextAttention`). With maps that are the same for all cells the
    network is a linear classifier: whatever it knows beyond one, the cell's own attention maps
    carry.

    The queries for levels, :math:`a`, and the biases are not trained by gradient descent but set,
    to a linear classifier tuned by cross-validation (:meth:`set_levels`). The queries for
    contexts, :math:`g`, start at zero and learn with the maps what that classifier leaves over.
    How much they count, :math:`\gamma`, is set by cells that were not trained on
    (:meth:`weigh_contexts`).

    Dropout acts on the genes of the contexts alone, which could otherwise learn few training cells
    by heart before they find a product that holds in others.

    Parameters
    ----------
    n_genes
        Genes per cell.
    n_classes
        Cell types.
    n_heads
        Attention heads.
    dropout
        Share of the genes that contexts are made of, and of the contexts, dropped in training.
    """

    linear_in_attention: ClassVar[bool] = True

    gene_mean: Tensor
    gene_scale: Tensor
    context_gain: Tensor

    def __init__(self, n_genes: int, n_classes: int, *, n_heads: int, dropout: float) -> None:
        super().__init__(n_classes)
        self.register_buffer("gene_mean", torch.zeros(n_genes))
        self.register_buffer("gene_scale", torch.ones(n_genes))
        self.attention = ContextAttention(n_genes, n_heads)
        self.dropout = nn.Dropout(dropout)
        self.level_query = nn.Linear(n_genes, n_classes).requires_grad_(requires_grad=False)
        self.context_query = nn.Parameter(torch.zeros(n_classes, n_heads, n_genes))
        nn.init.zeros_(self.level_query.weight)
        nn.init.zeros_(self.level_query.bias)
        self.register_buffer("context_gain", torch.tensor(NOT_WEIGHED))

    def set_standardization(self, mean: Tensor, scale: Tensor) -> None:
        """Fix each gene's centre and scale; a gene that never varies keeps scale 1."""
        self.gene_mean.copy_(mean)
        self.gene_scale.copy_(torch.where(scale > 0, scale, torch.ones_like(scale)))

    def levels(self, expression: Tensor) -> Tensor:
        """Standardised expression, ``(n_obs, n_genes)``, between -10 and 10."""
        standardized = (expression - self.gene_mean) / self.gene_scale
        return standardized.clamp(-LARGEST_LEVEL, LARGEST_LEVEL)

    def latent(self, expression: Tensor) -> Tensor:
        """Levels, then the contexts of each head, ``(n_obs, (1 + n_heads) * n_genes)``."""
        levels = self.levels(expression)
        contexts = self.dropout(self.attention(levels, self.dropout(levels)))
        return torch.cat([levels, contexts.flatten(-2)], dim=-1)

    def class_weights(self) -> Tensor:
        """The class queries, ``(n_classes, (1 + n_heads) * n_genes)``."""
        of_contexts = self.context_weight * self.context_query.flatten(1)
        return torch.cat([self.level_query.weight, of_contexts], dim=1)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Logits of the classes, ``(n_obs, n_classes)``, from expression ``(n_obs, n_genes)``."""
        (expression,) = inputs
        levels = self.levels(expression)
        logits: Tensor = self.level_query(levels)
        if self.context_weight or self.attention.is_looked_at:
            logits = logits + self._from_contexts(levels)
        return logits

    def context_logits(self, expression: Tensor) -> Tensor:
        """What the contexts add to the logits, ``(n_obs, n_classes)``."""
        return self._from_contexts(self.levels(expression))

    def _from_contexts(self, levels: Tensor) -> Tensor:
        contexts = self.dropout(self.attention(levels, self.dropout(levels)))
        return self.context_weight * torch.einsum("chg,...hg->...c", self.context_query, contexts)

    @property
    def context_weight(self) -> Tensor:
        """How much contexts count."""
        return self.context_gain[-1]

    @torch.no_grad()
    def set_levels(self, weight: Tensor, bias: Tensor) -> None:
        """Set the queries for levels, ``(n_classes, n_genes)``, and the biases."""
        self.level_query.weight.copy_(weight)
        self.level_query.bias.copy_(bias)

    def weigh_contexts(self, gain: ContextGain = NOT_WEIGHED) -> None:
        """Give contexts the weight that cells held out give them; 1 while they are trained."""
        self.context_gain.copy_(torch.tensor(gain))
