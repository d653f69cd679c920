"""The T-GEM network as published."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from tgem.model.tgem._typing_module import TypingModule
from tgem.nn.blocks import GeneAttention, GeneNorm


class TGEMModule(TypingModule):
    r"""Layers of attention between genes and a linear classifier over genes.

    .. math::
        x \leftarrow x + \mathrm{LN}(\mathrm{dropout}(\textstyle\sum_h w^0_h z_h)), \qquad
        \mathrm{logits} = W\, \mathrm{LeakyReLU}_{0.1}(x) + c

    with one layer normalisation shared by all layers; see
    :class:`~tgem.nn.blocks.GeneAttention` for :math:`z_h`.

    Parameters
    ----------
    n_genes
        Genes per cell.
    n_classes
        Cell types.
    n_layers, n_heads
        Attention layers, and heads of each.
    dropout
        Share of attended genes that are dropped in training.
    """

    def __init__(
        self, n_genes: int, n_classes: int, *, n_layers: int, n_heads: int, dropout: float
    ) -> None:
        super().__init__(n_classes)
        self.attentions = nn.ModuleList(GeneAttention(n_genes, n_heads) for _ in range(n_layers))
        self.norm = GeneNorm(n_genes)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(n_genes, n_classes)
        nn.init.xavier_uniform_(self.classifier.weight)

    def latent(self, expression: Tensor) -> Tensor:
        """What the classifier reads, ``(n_obs, n_genes)``."""
        hidden = expression
        for attention in self.attentions:
            hidden = hidden + self.norm(self.dropout(attention(hidden)))
        return functional.leaky_relu(hidden, 0.1)

    def class_weights(self) -> Tensor:
        """Weights of the classifier, ``(n_classes, n_genes)``."""
        return self.classifier.weight

    def forward(self, *inputs: Tensor) -> Tensor:
        """Logits of the classes, ``(n_obs, n_classes)``, from expression ``(n_obs, n_genes)``."""
        (expression,) = inputs
        logits: Tensor = self.classifier(self.latent(expression))
        return logits
