"""A bidirectional LSTM over sequences of different lengths."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RaggedLSTM(nn.Module):
    """Bidirectional LSTM whose padded positions influence nothing.

    The same network as a bidirectional :class:`torch.nn.LSTM` over packed sequences. Here each
    sequence is reversed within its own length for the backward direction, so that padding always
    comes last and both directions can run as plain LSTMs, for which torch has a fused kernel.

    Parameters
    ----------
    n_inputs
        Features of each position.
    n_hidden
        Hidden units of each direction.

    Examples
    --------
    >>> import torch
    >>> lstm = RaggedLSTM(2, 10)
    >>> lstm(torch.rand(3, 7, 2), torch.tensor([7, 4, 1])).shape
    torch.Size([3, 7, 20])
    """

    def __init__(self, n_inputs: int, n_hidden: int) -> None:
        super().__init__()
        self.forwards = nn.LSTM(n_inputs, n_hidden, batch_first=True)
        self.backwards = nn.LSTM(n_inputs, n_hidden, batch_first=True)

    def forward(self, sequence: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Hidden states of both directions, ``(n_obs, n_positions, 2 * n_hidden)``.

        Parameters
        ----------
        sequence
            ``(n_obs, n_positions, n_inputs)``, real positions first.
        lengths
            Real positions of each sequence, ``(n_obs,)``; ``None`` if all are. The states of the
            others are 0.
        """
        onwards, _ = self.forwards(sequence)
        if lengths is None:
            back, _ = self.backwards(sequence.flip(1))
            return torch.cat([onwards, back.flip(1)], -1)
        steps = torch.arange(sequence.shape[1], device=sequence.device)
        real = steps < lengths[:, None]
        mirrored = torch.where(real, lengths[:, None] - 1 - steps, steps)
        back, _ = self.backwards(_reordered(sequence, mirrored))
        states = torch.cat([onwards, _reordered(back, mirrored)], -1)
        return torch.where(real[..., None], states, 0)


def _reordered(sequence: Tensor, order: Tensor) -> Tensor:
    return sequence.gather(1, order[..., None].expand_as(sequence))
