"""From hidden units to isoforms: four read-outs with one protocol.

A decoder adds a linear read-out of the hidden units to an offset that does not depend on the
factors, and turns the sum, the logit, into the output by a response. Attribution needs no more:
the read-out's weight, and the secant slope of the response.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from tgem.nn.segments import segment_centered, segment_softmax, segment_sum

SMALLEST_USAGE = 1e-4
SMALLEST_DEVIATION = 0.1


class TrainingSummary(dict[str, Tensor]):
    """Means over the training samples that a decoder starts from, by name."""


class Decoder(nn.Module):
    """Read-out of the hidden units.

    Parameters
    ----------
    n_hidden
        Hidden units.
    n_context
        Features of the cell's context, read out like hidden units; 0 for none.
    isoform_gene
        Gene of each isoform, ``(n_isoforms,)``, as a position among the genes of isoforms.
    n_genes
        Genes of isoforms.
    """

    response_reads_genes: ClassVar[bool] = False
    response_bends: ClassVar[bool] = True
    isoform_gene: Tensor

    def __init__(self, n_hidden: int, n_context: int, isoform_gene: Tensor, n_genes: int) -> None:
        super().__init__()
        n_isoforms = len(isoform_gene)
        self.n_genes = n_genes
        self.register_buffer("isoform_gene", isoform_gene)
        self.weight = nn.Parameter(torch.empty(n_isoforms, n_hidden))
        self.bias = nn.Parameter(torch.zeros(n_isoforms))
        self.context_weight = (
            nn.Parameter(torch.zeros(n_isoforms, n_context)) if n_context else None
        )
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)  # as torch initialises a linear layer

    def start(self, summary: TrainingSummary) -> None:
        """Begin at the means of the training samples."""

    def linear_offset(self, genes: Tensor, context: Tensor | None) -> Tensor:
        """Part of the logit that the factors do not change, ``(n_obs, n_isoforms)``."""
        offset = self.bias.expand(len(genes), -1)
        if self.context_weight is not None and context is not None:
            offset = offset + context @ self.context_weight.T
        return offset

    def offset(self, genes: Tensor, context: Tensor | None) -> Tensor:
        """Part of the logit that the factors do not change, ``(n_obs, n_isoforms)``."""
        return self.linear_offset(genes, context)

    def logits(self, hidden: Tensor, genes: Tensor, context: Tensor | None) -> Tensor:
        """Read-out of the hidden units plus the offset, ``(n_obs, n_isoforms)``."""
        return hidden @ self.weight.T + self.offset(genes, context)

    def attributed_weight(self) -> Tensor:
        """Weight of the hidden units in what is attributed, ``(n_isoforms, n_hidden)``."""
        return self.weight

    def expand(self, genes: Tensor) -> Tensor:
        """Value of each isoform's gene, ``(n_obs, n_isoforms)``."""
        return genes.index_select(1, self.isoform_gene)

    def response(self, logits: Tensor, *genes: Tensor) -> Tensor:
        """Elementwise function from the logits to what is attributed: here the logits.

        `genes` holds the TPM of each isoform's gene where :attr:`response_reads_genes` says so.
        """
        return logits.clone()

    @abstractmethod
    def respond(self, logits: Tensor, genes: Tensor) -> Tensor:
        """Output on the scale of the loss, from logits and gene TPM."""

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean squared error of log2(1 + TPM)."""
        return functional.mse_loss(outputs, torch.log2(1 + targets))

    def usage(self, logits: Tensor, genes: Tensor) -> Tensor:
        """Share of each isoform in the predicted TPM of its gene; 0 where those are 0."""
        tpm = self.natural(self.respond(logits, genes))
        totals = segment_sum(tpm, self.isoform_gene, self.n_genes)
        return tpm / self.expand(totals).clamp(min=1e-9)

    def natural(self, outputs: Tensor) -> Tensor:
        """TPM, or PSI, from outputs."""
        return torch.exp2(outputs) - 1


class AdditiveDecoder(Decoder):
    r"""DeepSF: :math:`y = \mathrm{relu}(W_3 [h, c] + w e)`.

    :math:`e` is log2(1 + TPM) of the isoform's gene, standardised over the training samples.
    """

    gene_mean: Tensor
    gene_scale: Tensor

    def __init__(self, n_hidden: int, n_context: int, isoform_gene: Tensor, n_genes: int) -> None:
        super().__init__(n_hidden, n_context, isoform_gene, n_genes)
        self.gene_weight = nn.Parameter(torch.zeros(len(isoform_gene)))
        self.register_buffer("gene_mean", torch.zeros(n_genes))
        self.register_buffer("gene_scale", torch.ones(n_genes))

    def start(self, summary: TrainingSummary) -> None:
        """Begin at the mean of each isoform, moving with its gene."""
        with torch.no_grad():
            self.bias.copy_(summary["log_isoform_mean"])
            self.gene_mean.copy_(summary["log_gene_mean"])
            deviation = summary["log_gene_deviation"]
            self.gene_scale.copy_(torch.where(deviation > 0, deviation, torch.inf))

    def offset(self, genes: Tensor, context: Tensor | None) -> Tensor:
        """Bias, context and the isoform's weight times its gene's expression."""
        standardized = (torch.log2(1 + genes) - self.gene_mean) / self.gene_scale
        return self.linear_offset(genes, context) + self.gene_weight * self.expand(standardized)

    def respond(self, logits: Tensor, genes: Tensor) -> Tensor:
        """Rectify."""
        return torch.relu(logits)

    def response(self, logits: Tensor, *genes: Tensor) -> Tensor:
        """Rectify."""
        return torch.relu(logits)


class SigmoidDecoder(Decoder):
    r"""DeepRBP: :math:`y = \log_2(\sigma(W_3 h)\, \mathrm{TPM}_{gene} + 1)`."""

    response_reads_genes = True

    def start(self, summary: TrainingSummary) -> None:
        """Begin at the mean usage of each isoform."""
        with torch.no_grad():
            self.bias.copy_(torch.logit(summary["usage"], eps=SMALLEST_USAGE))

    def respond(self, logits: Tensor, genes: Tensor) -> Tensor:
        """Share of the gene's TPM, as a logarithm."""
        return torch.log2(torch.sigmoid(logits) * self.expand(genes) + 1)

    def usage(self, logits: Tensor, genes: Tensor) -> Tensor:
        """Share of the gene's TPM; the isoforms of a gene need not sum to 1."""
        return torch.sigmoid(logits)

    def response(self, logits: Tensor, *genes: Tensor) -> Tensor:
        """Share of the gene's TPM, as a logarithm."""
        return torch.log2(torch.sigmoid(logits) * genes[0] + 1)


class UsageDecoder(Decoder):
    r"""Softmax over the isoforms of each gene, starting at the mean usage :math:`\bar u`.

    :math:`\mathrm{TPM}_j = \mathrm{TPM}_{gene} \cdot
    \mathrm{softmax}_j(\log \bar u_j + W_3 h)`: the isoforms of a gene sum to its TPM.
    """

    response_bends = False
    log_usage: Tensor

    def __init__(self, n_hidden: int, n_context: int, isoform_gene: Tensor, n_genes: int) -> None:
        super().__init__(n_hidden, n_context, isoform_gene, n_genes)
        self.register_buffer("log_usage", torch.zeros(len(isoform_gene)))
        nn.init.zeros_(self.weight)

    def start(self, summary: TrainingSummary) -> None:
        """Begin at the mean usage."""
        self.log_usage.copy_(summary["usage"].clamp(min=1e-12).log())

    def offset(self, genes: Tensor, context: Tensor | None) -> Tensor:
        """Logarithm of the mean usage, bias and context."""
        return self.linear_offset(genes, context) + self.log_usage

    def usage(self, logits: Tensor, genes: Tensor) -> Tensor:
        """Share of each isoform in its gene."""
        return segment_softmax(logits, self.isoform_gene, self.n_genes)

    def respond(self, logits: Tensor, genes: Tensor) -> Tensor:
        """Share of the gene's TPM, as a logarithm."""
        return torch.log2(self.usage(logits, genes) * self.expand(genes) + 1)

    def attributed_weight(self) -> Tensor:
        """Weights less their mean over the gene: a shift of all isoforms changes no usage."""
        return segment_centered(self.weight.T, self.isoform_gene, self.n_genes).T


class PsiDecoder(Decoder):
    """Logit-normal head for shares between 0 and 1 with missing ones.

    logit(PSI) is normal around the read-out, with one deviation for each event.
    """

    smallest_share = 0.005

    def __init__(self, n_hidden: int, n_context: int, isoform_gene: Tensor, n_genes: int) -> None:
        super().__init__(n_hidden, n_context, isoform_gene, n_genes)
        self.log_deviation = nn.Parameter(torch.zeros(len(isoform_gene)))
        nn.init.zeros_(self.weight)

    def start(self, summary: TrainingSummary) -> None:
        """Begin at the mean and deviation of each event."""
        with torch.no_grad():
            self.bias.copy_(summary["logit_mean"])
            deviation = summary["logit_deviation"].clamp(min=SMALLEST_DEVIATION)
            self.log_deviation.copy_(deviation.log())

    def respond(self, logits: Tensor, genes: Tensor) -> Tensor:
        """Centre of logit(PSI)."""
        return logits

    def response(self, logits: Tensor, *genes: Tensor) -> Tensor:
        """PSI."""
        return torch.sigmoid(logits)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Negative log-likelihood of the observed events, up to a constant."""
        observed = ~torch.isnan(targets)
        logit = torch.logit(torch.nan_to_num(targets, nan=0.5), eps=self.smallest_share)
        log_deviation = self.log_deviation.clamp(min=-3)  # a constant event stays finite
        error = 0.5 * ((logit - outputs) / log_deviation.exp()) ** 2 + log_deviation
        return (error * observed).sum() / observed.sum().clamp(min=1)

    def usage(self, logits: Tensor, genes: Tensor) -> Tensor:
        """PSI."""
        return torch.sigmoid(logits)

    def natural(self, outputs: Tensor) -> Tensor:
        """PSI."""
        return torch.sigmoid(outputs)


DECODERS: dict[str, type[Decoder]] = {
    "usage": UsageDecoder,
    "additive": AdditiveDecoder,
    "sigmoid": SigmoidDecoder,
    "psi": PsiDecoder,
}
