"""Stacks of dense layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence


def dense_layers(
    n_inputs: int,
    sizes: Sequence[int],
    *,
    activation: type[nn.Module] = nn.ReLU,
    dropout: float = 0.0,
    normalized: Sequence[bool] | None = None,
) -> nn.Sequential:
    """Dense layers, each followed by batch normalisation, an activation and dropout.

    Parameters
    ----------
    n_inputs
        Number of inputs.
    sizes
        Units of each layer.
    activation
        Activation after each layer.
    dropout
        Share of units dropped in training; 0 leaves the layer out.
    normalized
        Whether each layer is batch normalised; ``None`` for all.

    Returns
    -------
    The layers in one flat ``torch.nn.Sequential``.

    Examples
    --------
    >>> from tgem.nn.dense import dense_layers
    >>> [type(layer).__name__ for layer in dense_layers(5, (4,), dropout=0.1)]
    ['Linear', 'BatchNorm1d', 'ReLU', 'Dropout']
    """
    normalized = [True] * len(sizes) if normalized is None else normalized
    layers: list[nn.Module] = []
    for size, normalize in zip(sizes, normalized, strict=True):
        layers.append(nn.Linear(n_inputs, size))
        if normalize:
            layers.append(nn.BatchNorm1d(size))
        layers.append(activation())
        if dropout:
            layers.append(nn.Dropout(dropout))
        n_inputs = size
    return nn.Sequential(*layers)
