"""Mean and spread of DeepLIFT scores over samples, without keeping the scores."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from tgem.attr._readout import Batch, question

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tgem.attr._rescale import Response

# Entries of a block of scores: on a CPU for each thread, as a small block is not worth sharing.
CPU_BLOCK = 2**19
GPU_BLOCK = 2**26


class DeepLiftSummary(NamedTuple):
    """Scores of every input for every output, summed up over samples.

    Attributes
    ----------
    mean
        Mean score, ``(n_inputs, n_outputs)``.
    standard_deviation
        Standard deviation over samples (``n_samples - 1`` in the denominator) in the shape of
        `mean`; ``None`` if it was not asked for.
    n_samples
        Number of samples.
    residual
        Largest difference, over samples and outputs, between the sum of the scores over inputs
        and the change of the output from the baseline: 0 up to rounding.
    largest_change
        Largest change of an output, to compare `residual` with.
    """

    mean: Tensor
    standard_deviation: Tensor | None
    n_samples: int
    residual: float
    largest_change: float

    @property
    def t_statistic(self) -> Tensor:
        """Mean over its standard error, ``mean / (sd / sqrt(n))``; 0 where all scores are 0."""
        if self.standard_deviation is None:
            msg = "Expected a standard deviation, found none. Pass `variance=True`."
            raise ValueError(msg)
        statistic = (self.mean / self.standard_deviation).mul_(math.sqrt(self.n_samples))
        return statistic.nan_to_num_(nan=0, posinf=math.inf, neginf=-math.inf)


class Moments:
    """Running mean and squared deviations of blocks of outputs, merged batch by batch.

    Within a batch scores are kept relative to its first sample, so that a small spread around a
    large mean is not lost in single precision, and equal scores have a spread of exactly 0;
    batches are merged by the rule of Chan, Golub and LeVeque.
    """

    def __init__(self, weight: Tensor, n_inputs: int, *, variance: bool) -> None:
        shape = (len(weight), n_inputs)
        self.weight = weight.T.contiguous()
        self.n_outputs = len(weight)
        self.n_samples = 0
        self.mean = weight.new_zeros(shape)
        self.squares = torch.zeros_like(self.mean) if variance else None
        on_cpu = weight.device.type == "cpu"
        entries = CPU_BLOCK * torch.get_num_threads() if on_cpu else GPU_BLOCK
        self.width = max(1, entries // n_inputs)

    def add(self, batch: Batch) -> None:
        """Take in a batch of samples, a block of outputs after the other."""
        for first in range(0, self.n_outputs, self.width):
            block = slice(first, first + self.width)
            if self.squares is None:
                self._add_sums(batch, block)
            else:
                self._add_moments(batch, block, self.squares)
        self.n_samples += len(batch.n_rows)

    def _add_sums(self, batch: Batch, block: slice) -> None:
        # Samples differ in rows only, so that their sum is a single product.
        n = len(batch.n_rows)
        readout = torch.cat([each for _, _, each in self._readouts(batch, block)])
        sums = torch.mm(readout.T, batch.rows)
        self.mean[block].lerp_(sums.div_(n), n / (self.n_samples + n))

    def _add_moments(self, batch: Batch, block: slice, squares: Tensor) -> None:
        n, old = len(batch.n_rows), self.n_samples
        readouts = self._readouts(batch, block)
        _, rows, readout = next(readouts)
        origin = torch.mm(readout.T, rows)
        scores, sums, own = (torch.zeros_like(origin) for _ in range(3))
        for _, rows, readout in readouts:
            torch.mm(readout.T, rows, out=scores).sub_(origin)
            sums.add_(scores)
            own.addcmul_(scores, scores)
        mean = sums.div_(n)
        squares[block].add_(own.addcmul_(mean, mean, value=-n))
        difference = mean.add_(origin).sub_(self.mean[block])
        squares[block].addcmul_(difference, difference, value=old * n / (old + n))
        self.mean[block].add_(difference, alpha=n / (old + n))

    def _readouts(self, batch: Batch, block: slice) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Sample, its rows, and the weights of a block of outputs for them times their slopes."""
        weight = self.weight[:, block]
        for sample, rows, units in batch.samples():
            yield sample, rows, weight.index_select(0, units).mul_(batch.slopes[sample, block])


def deeplift_summary(
    network: nn.Sequential,
    weight: Tensor,
    *,
    inputs: Tensor,
    baselines: Tensor,
    offset: Tensor | float = 0.0,
    response: Response = torch.clone,
    response_arguments: tuple[Tensor, ...] = (),
    variance: bool = True,
    batch_size: int = 64,
) -> DeepLiftSummary:
    r"""Mean, standard deviation and t-statistic of DeepLIFT scores over samples.

    The scores are those of :func:`deeplift_scores`, made and summed up in blocks of outputs, so
    that memory does not grow with the number of samples.

    Parameters
    ----------
    network, weight, inputs, baselines, offset, response, response_arguments
        As in :func:`deeplift_scores`.
    variance
        Whether to compute the standard deviation. Without it, the mean takes one product of
        matrices for a batch and a block of outputs.
    batch_size
        Number of samples taken at once. It does not change the result beyond rounding.

    Returns
    -------
    DeepLiftSummary
        Mean and standard deviation ``(n_inputs, n_outputs)``, number of samples and completeness
        residual; its property `t_statistic` is DeepRBP's :math:`\bar{C} / (s / \sqrt{n})`.

    Raises
    ------
    TypeError, ValueError
        As :func:`deeplift_scores`; also if `variance` is asked of a single sample.

    References
    ----------
    The rescale rule of :cite:t:`shrikumar2017`; the t-statistic of :cite:t:`deeprbp2024`.

    Examples
    --------
    >>> import torch
    >>> from tgem.attr import deeplift_summary
    >>> network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU())
    >>> weight, factors, gene_tpm = torch.randn(5, 4), torch.rand(6, 3), torch.rand(6, 5)
    >>> summary = deeplift_summary(
    ...     network,
    ...     weight,
    ...     inputs=factors,
    ...     baselines=factors.median(0).values,
    ...     response=lambda logits, tpm: torch.log2(torch.sigmoid(logits) * tpm + 1),
    ...     response_arguments=(gene_tpm,),
    ... )
    >>> summary.mean.shape, summary.t_statistic.shape, summary.n_samples
    (torch.Size([3, 5]), torch.Size([3, 5]), 6)
    >>> summary.residual < 1e-5
    True
    """
    if batch_size < 1:
        msg = f"Expected `batch_size` to be at least 1, found {batch_size}."
        raise ValueError(msg)
    with torch.inference_mode(mode=False), torch.no_grad():
        asked = question(
            network,
            weight,
            inputs=inputs,
            baselines=baselines,
            offset=offset,
            response=response,
            response_arguments=response_arguments,
        )
        n, n_inputs = asked.inputs.shape
        if variance and n == 1:
            msg = "Expected at least 2 samples for a variance, found 1. Pass `variance=False`."
            raise ValueError(msg)
        moments = Moments(asked.weight, n_inputs, variance=variance)
        residual, largest = 0.0, 0.0
        for batch in asked.batches(batch_size):
            moments.add(batch)
            sums = batch.totals @ asked.weight.T * batch.slopes
            residual = max(residual, (sums - batch.change).abs().max().item())
            largest = max(largest, batch.change.abs().max().item())
        spread = None
        if moments.squares is not None:
            # Rounding can leave a square just below 0.
            spread = moments.squares.clamp_(min=0).div_(n - 1).sqrt_().T
    return DeepLiftSummary(moments.mean.T, spread, n, residual, largest)
