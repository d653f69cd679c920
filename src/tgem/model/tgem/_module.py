"""The T-GEM network."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

from tgem.nn.blocks import GeneAttention, GeneNorm
from tgem.nn.module import SupervisedModule

EXPRESSION_KEY = "X"
LABELS_KEY = "labels"


class TGEMModule(SupervisedModule):
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
    standardize
        Whether expression is centred and scaled per gene first, by the training cells' mean and
        standard deviation (see :meth:`set_standardization`).
    start_linear
        Whether the network starts as a linear classifier with zero weights: the normalisation's
        scale starts at 0, dropout follows it, and there is no LeakyReLU, so attention enters as
        far as the data ask for it. Otherwise as published: scale 1, Xavier-uniform weights,
        LeakyReLU, dropout before the normalisation (which then scales the noise of dropout up to
        the size of its input).
    """

    input_keys: ClassVar[tuple[str, ...]] = (EXPRESSION_KEY,)
    target_key: ClassVar[str] = LABELS_KEY

    gene_mean: Tensor
    gene_scale: Tensor

    def __init__(
        self,
        n_genes: int,
        n_classes: int,
        *,
        n_layers: int,
        n_heads: int,
        dropout: float,
        standardize: bool = False,
        start_linear: bool = False,
    ) -> None:
        super().__init__()
        self.standardize = standardize
        self.register_buffer("gene_mean", torch.zeros(n_genes))
        self.register_buffer("gene_scale", torch.ones(n_genes))
        self.attentions = nn.ModuleList(GeneAttention(n_genes, n_heads) for _ in range(n_layers))
        self.norm = GeneNorm(n_genes)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(n_genes, n_classes)
        self.start_linear = start_linear
        if start_linear:
            nn.init.zeros_(self.norm.scale)
            nn.init.zeros_(self.classifier.weight)
            nn.init.zeros_(self.classifier.bias)
        else:
            nn.init.xavier_uniform_(self.classifier.weight)

    def set_standardization(self, mean: Tensor, scale: Tensor) -> None:
        """Fix each gene's centre and scale; a gene that never varies keeps scale 1."""
        self.gene_mean.copy_(mean)
        self.gene_scale.copy_(torch.where(scale > 0, scale, torch.ones_like(scale)))

    def latent(self, expression: Tensor) -> Tensor:
        """What the classifier reads, ``(n_obs, n_genes)``."""
        hidden = (expression - self.gene_mean) / self.gene_scale if self.standardize else expression
        for attention in self.attentions:
            attended = attention(hidden)
            if self.start_linear:
                hidden = hidden + self.dropout(self.norm(attended))
            else:
                hidden = hidden + self.norm(self.dropout(attended))
        return hidden if self.start_linear else functional.leaky_relu(hidden, 0.1)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Logits of the classes, ``(n_obs, n_classes)``, from expression ``(n_obs, n_genes)``."""
        (expression,) = inputs
        logits: Tensor = self.classifier(self.latent(expression))
        return logits

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Negative log-likelihood of the labels."""
        return functional.cross_entropy(outputs, targets)

    def metrics(self) -> MetricCollection:
        """Accuracy and macro-averaged F1."""
        n_classes = self.classifier.out_features
        return MetricCollection(
            {
                "accuracy": MulticlassAccuracy(n_classes, average="micro"),
                "macro_f1": MulticlassF1Score(n_classes, average="macro"),
            }
        )
