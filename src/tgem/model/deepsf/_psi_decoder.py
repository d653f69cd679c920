"""The decoder of shares between 0 and 1, some of them missing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tgem.model.deepsf._decoder import Decoder, TrainingSummary

SMALLEST_DEVIATION = 0.1


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
