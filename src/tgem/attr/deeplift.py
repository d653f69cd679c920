"""DeepLIFT of all outputs at once, as products of secant slopes and weights."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from tgem.attr._readout import points, question
from tgem.attr._rescale import Response, chain, check_elementwise, multiplier_rows, secants

BATCH_SIZE = 32


class HiddenMultipliers(NamedTuple):
    """DeepLIFT multipliers from inputs to hidden units.

    Attributes
    ----------
    multipliers
        Change of a hidden unit per change of an input, ``(n, n_inputs, n_hidden)``.
    hidden, hidden_at_baseline
        Hidden units at the input and at the baseline, ``(n, n_hidden)``.
    """

    multipliers: Tensor
    hidden: Tensor
    hidden_at_baseline: Tensor


def hidden_multipliers(
    network: nn.Sequential, inputs: Tensor, baselines: Tensor
) -> HiddenMultipliers:
    r"""DeepLIFT multipliers from the inputs of a network to its last layer.

    The multiplier of input :math:`i` for hidden unit :math:`k` is the product of weights and of
    secant slopes :math:`(\varphi(z) - \varphi(z^0)) / (z - z^0)`, summed over the paths from one
    to the other; where :math:`z = z^0`, the slope is the derivative. Multiplied by
    :math:`x_i - x^0_i` and summed over inputs, it gives the change of the unit.

    Parameters
    ----------
    network
        Linear layers, batch normalisation in evaluation mode, dropout (which does nothing here)
        and the activations ReLU, LeakyReLU, Sigmoid, Tanh, Softplus, ELU and Identity, possibly
        in nested ``nn.Sequential``.
    inputs
        Samples, ``(n, n_inputs)``.
    baselines
        Reference of all samples, ``(n_inputs,)``, or of each, ``(n, n_inputs)``.

    Returns
    -------
    HiddenMultipliers
        Multipliers ``(n, n_inputs, n_hidden)``, hidden units at the input, and at the baseline.

    Raises
    ------
    TypeError
        If the network has a layer of another kind, which is named.
    ValueError
        If shapes do not match, values are not finite, or batch normalisation is in training mode.

    References
    ----------
    The rescale rule of :cite:t:`shrikumar2017`.

    Examples
    --------
    >>> import torch
    >>> from tgem.attr import hidden_multipliers
    >>> network = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
    >>> samples, reference = torch.tensor([[1.0, 2.0], [0.0, 3.0]]), torch.zeros(2)
    >>> multipliers, hidden, hidden_at_baseline = hidden_multipliers(network, samples, reference)
    >>> multipliers.shape
    torch.Size([2, 2, 3])
    >>> change = torch.einsum("ni,nih->nh", samples - reference, multipliers)
    >>> torch.allclose(change, hidden - hidden_at_baseline, atol=1e-6)
    True
    """
    with torch.inference_mode(mode=False), torch.no_grad():
        inputs, baselines = points(inputs, baselines, like=next(network.parameters(), inputs))
        found = chain(network, inputs, baselines)
        everything = torch.ones_like(found.hidden, dtype=torch.bool)
        rows = multiplier_rows(found, *everything.nonzero(as_tuple=True))
        multipliers = rows.view(*found.hidden.shape, inputs.shape[1]).transpose(1, 2)
    return HiddenMultipliers(multipliers, found.hidden, found.hidden_at_baseline)


def output_slopes(response: Response, logits: Tensor, logits_at_baseline: Tensor) -> Tensor:
    r"""Secant slopes of an elementwise read-out.

    The slope of a composition of elementwise functions is the product of their slopes, so that a
    whole read-out, as :math:`z \mapsto \log_2(\sigma(z) t + 1)` of an isoform whose gene has
    :math:`t` TPM, is one step of DeepLIFT's rescale rule.

    Parameters
    ----------
    response
        Elementwise function of a tensor of the shape of `logits`. It is called in double
        precision, in which differences of nearby values are still exact.
    logits, logits_at_baseline
        Arguments at the input and at the baseline, of shapes that broadcast.

    Returns
    -------
    Tensor
        :math:`(f(z) - f(z^0)) / (z - z^0)`, and the derivative where :math:`z = z^0`, in the
        shape and the precision of `logits`.

    Raises
    ------
    ValueError
        If `response` changes the shape, or an output depends on another column than its own.

    Examples
    --------
    >>> import torch
    >>> from tgem.attr import output_slopes
    >>> output_slopes(torch.relu, torch.tensor([3.0, 1.0, -1.0]), torch.tensor([-1.0, 1.0, -2.0]))
    tensor([0.7500, 1.0000, 0.0000])
    """
    with torch.inference_mode(mode=False), torch.no_grad():
        check_elementwise(response, logits, logits_at_baseline)
        slopes, _ = secants(response, logits, logits_at_baseline)
    return slopes.to(logits)


def deeplift_scores(
    network: nn.Sequential,
    weight: Tensor,
    *,
    inputs: Tensor,
    baselines: Tensor,
    offset: Tensor | float = 0.0,
    response: Response = torch.clone,
    response_arguments: tuple[Tensor, ...] = (),
) -> Tensor:
    r"""DeepLIFT scores of every input for every output, in closed form.

    For a read-out :math:`y_j = f_j(z_j)`, :math:`z_j = \sum_k w_{jk} h_k(x) + o_j`, of hidden
    units :math:`h`, the rescale rule gives

    .. math::
        C_{ij} = (x_i - x^0_i) \sum_k m_{ik} w_{jk} \,
        \frac{f_j(z_j) - f_j(z^0_j)}{z_j - z^0_j}

    with the multipliers :math:`m` of :func:`hidden_multipliers`: the scores of all outputs are one
    product of matrices for each sample. They add up to :math:`y_j - y^0_j`.

    Parameters
    ----------
    network
        From inputs to hidden units, as in :func:`hidden_multipliers`.
    weight
        Weights of the read-out, ``(n_outputs, n_hidden)``.
    inputs
        Samples, ``(n, n_inputs)``.
    baselines
        Reference of all samples, ``(n_inputs,)``, or of each, ``(n, n_inputs)``.
    offset
        What is added to the logits at the input and at the baseline alike, as a bias, or the part
        of whatever is held at the sample's values: broadcasts to ``(n, n_outputs)``.
    response
        Elementwise function ``f(logits, *response_arguments)`` of the logits; without it, the
        logits are explained. It is called in double precision.
    response_arguments
        Tensors that broadcast to ``(n, n_outputs)``, as the gene's TPM of each isoform; `response`
        gets the rows of the samples at hand.

    Returns
    -------
    Tensor
        Scores, ``(n, n_inputs, n_outputs)``: exactly 0 where an input equals its reference. At
        10,000 outputs and 1,000 inputs, 40 MB for each sample: use :func:`deeplift_summary` where
        only mean and spread over samples are needed.

    Raises
    ------
    TypeError, ValueError
        As :func:`hidden_multipliers` and :func:`output_slopes`.

    References
    ----------
    The rescale rule of :cite:t:`shrikumar2017`.

    Examples
    --------
    >>> import torch
    >>> from tgem.attr import deeplift_scores
    >>> network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh())
    >>> weight, factors = torch.randn(5, 4), torch.rand(2, 3)
    >>> scores = deeplift_scores(
    ...     network, weight, inputs=factors, baselines=torch.zeros(3), response=torch.sigmoid
    ... )
    >>> scores.shape
    torch.Size([2, 3, 5])
    >>> expected = [torch.sigmoid(network(x) @ weight.T) for x in (factors, torch.zeros(2, 3))]
    >>> torch.allclose(scores.sum(1), expected[0] - expected[1], atol=1e-5)
    True
    """
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
        scores = asked.inputs.new_empty(n, n_inputs, len(asked.weight))
        for first, batch in zip(range(0, n, BATCH_SIZE), asked.batches(BATCH_SIZE), strict=True):
            for sample, rows, units in batch.samples():
                readout = asked.weight.T[units] * batch.slopes[sample]
                torch.mm(rows.T, readout, out=scores[first + sample])
    return scores
