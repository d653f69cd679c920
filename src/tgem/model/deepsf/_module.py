"""The DeepSF network."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection

from tgem.model.deepsf._decoders import DECODERS
from tgem.nn.dense import dense_layers
from tgem.nn.module import SupervisedModule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tgem.model.deepsf._context_network import ContextNetwork

GENES_KEY = "genes"
ISOFORMS_KEY = "isoforms"


class DeepSFModule(SupervisedModule):
    r"""Splicing factors :math:`f` to hidden units, and a decoder from them to isoforms.

    .. math::
        h = \mathrm{relu}(\mathrm{BN}(W_2\, \mathrm{relu}(\mathrm{BN}(W_1 f))))

    The input is the TPM of all genes. The network takes the factors, the genes of the isoforms
    and the genes of the context from it, and its own logarithms.

    Parameters
    ----------
    factors
        Positions of the factors among the genes.
    isoform_genes
        Position among the genes of each isoform's gene; negative where it has none.
    decoder
        Name of the decoder.
    hidden
        Units of the layers between the factors and the decoder.
    dropout
        Share of hidden units dropped in training.
    clip
        Largest number of standard deviations of a factor.
    unit_range
        Whether clipped factors are brought to 0 to 1.
    penalty
        Strength of the read-out's ridge penalty, which keeps isoforms at their mean unless the
        samples speak against it; multiplied by inputs of the read-out per training sample, as
        the weights' prior becomes narrower the more of them add up.
    context
        Pretrained autoencoder, or ``None``.
    context_genes
        Position among the genes of each gene of the context; negative where absent.
    fine_tune_context
        Whether training changes the context's encoder.
    """

    input_keys: ClassVar[tuple[str, ...]] = (GENES_KEY,)
    target_key: ClassVar[str] = ISOFORMS_KEY

    factor_index: Tensor
    host_index: Tensor
    context_index: Tensor
    factor_mean: Tensor
    factor_scale: Tensor
    factor_median: Tensor
    mean_usage: Tensor
    n_training_samples: Tensor
    context_mean: Tensor
    context_scale: Tensor

    def __init__(
        self,
        factors: Sequence[int],
        isoform_genes: Sequence[int],
        *,
        decoder: str,
        hidden: Sequence[int],
        dropout: float,
        clip: float | None,
        unit_range: bool,
        penalty: float = 0.0,
        context: ContextNetwork | None = None,
        context_genes: Sequence[int] = (),
        fine_tune_context: bool = False,
    ) -> None:
        super().__init__()
        # An event may have no gene: it then reads a column of its own, which no decoder of events
        # looks at.
        hosts, isoform_gene = torch.unique(torch.tensor(isoform_genes), return_inverse=True)
        self.register_buffer("factor_index", torch.tensor(factors))
        self.register_buffer("host_index", hosts)
        self.register_buffer("context_index", torch.tensor(context_genes, dtype=torch.int64))
        for name, value in (("mean", 0.0), ("scale", 1.0), ("median", 0.0)):
            self.register_buffer(f"factor_{name}", torch.full((len(factors),), value))
        self.register_buffer("mean_usage", torch.zeros(len(isoform_genes)))
        self.clip, self.unit_range, self.penalty = clip, unit_range, penalty
        self.register_buffer("n_training_samples", torch.ones(()))
        self.encoder: nn.Sequential = dense_layers(len(factors), hidden, dropout=dropout)
        self.context, self.fine_tune_context = context, fine_tune_context
        if context is not None:
            context.requires_grad_(fine_tune_context)
        n_context = 0 if context is None else context.n_features
        self.register_buffer("context_mean", torch.zeros(n_context))
        self.register_buffer("context_scale", torch.ones(n_context))
        n_hidden = [len(factors), *hidden][-1]
        self.decoder = DECODERS[decoder](n_hidden, n_context, isoform_gene, len(hosts))

    # -- parts of the input ---------------------------------------------------------------

    def factor_levels(self, genes: Tensor) -> Tensor:
        """log2(1 + TPM) of the factors, ``(n_obs, n_factors)``; a missing one at its mean."""
        levels = torch.log2(1 + genes.index_select(1, self.factor_index))
        return torch.where(torch.isnan(levels), self.factor_mean, levels)

    def scaled(self, levels: Tensor) -> Tensor:
        """Factors as the first layer reads them; one that never varied in training is 0."""
        values = (levels - self.factor_mean) / self.factor_scale
        if self.clip is None:
            return values
        values = values.clamp(-self.clip, self.clip)
        return (values + self.clip) / (2 * self.clip) if self.unit_range else values

    def hosts(self, genes: Tensor) -> Tensor:
        """TPM of the genes of isoforms, ``(n_obs, n_host_genes)``; NaN where absent."""
        return genes.index_select(1, self.host_index.clamp(min=0))

    def context_features(self, genes: Tensor) -> Tensor | None:
        """Features of the context as the decoder reads them; of unit spread in training.

        They are clipped like factors: the encoder of a small cohort can carry new samples far.
        """
        features = self.encoded_context(genes)
        if features is None:
            return None
        values = (features - self.context_mean) / self.context_scale
        return values if self.clip is None else values.clamp(-self.clip, self.clip)

    def encoded_context(self, genes: Tensor) -> Tensor | None:
        """Features of the context's encoder, ``(n_obs, n_features)``."""
        if self.context is None:
            return None
        known = self.context_index >= 0
        values = genes.new_full((len(genes), len(known)), torch.nan)
        values[:, known] = genes.index_select(1, self.context_index[known])
        if self.fine_tune_context:
            return self.context.encode(values)
        self.context.eval()  # frozen: it keeps its batch statistics in training too
        with torch.no_grad():
            return self.context.encode(values)

    # -- the network ----------------------------------------------------------------------

    def logits(self, scaled: Tensor, genes: Tensor) -> Tensor:
        """Logits of the isoforms at given factors, ``(n_obs, n_isoforms)``."""
        hidden = self.encoder(scaled)
        return self.decoder.logits(hidden, self.hosts(genes), self.context_features(genes))

    def outputs(self, scaled: Tensor, genes: Tensor) -> Tensor:
        """Outputs at given factors, with gene expression and context of the samples."""
        return self.decoder.respond(self.logits(scaled, genes), self.hosts(genes))

    def forward(self, *inputs: Tensor) -> Tensor:
        """Outputs from the TPM of all genes: log2(1 + TPM) of isoforms, or logit(PSI)."""
        (genes,) = inputs
        return self.outputs(self.scaled(self.factor_levels(genes)), genes)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The decoder's loss; in training with the ridge penalty of its read-out."""
        loss = self.decoder.loss(outputs, targets)
        if self.penalty and self.training:
            for weight in self.decoder.readout_weights():
                strength = self.penalty * weight.shape[1] / self.n_training_samples
                loss = loss + strength * weight.square().sum(dim=1).mean()
        return loss

    def metrics(self) -> MetricCollection:
        """None beside the loss."""
        return MetricCollection({})
