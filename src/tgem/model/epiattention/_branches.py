"""One branch of the network for each modality."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tgem.nn.additive_attention import AdditiveAttention
from tgem.nn.factor_attention import FactorAttention
from tgem.nn.ragged_lstm import RaggedLSTM

KERNEL_BINS = 7
POOL = 3


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation that uses its running statistics for a single training value."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name of torch
        """Normalised input of the same shape."""
        if self.training and input.numel() == input.shape[1]:
            return functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)


class HistoneBranch(nn.Module):
    """Convolution over marks x bins, pooling, bidirectional LSTM, attention over bins.

    The kernels span all marks, so that the convolution runs along the bins only.

    Parameters
    ----------
    n_marks, n_bins
        Size of the tracks.
    n_kernels
        Kernels, each over all marks and seven bins (or as many as there are, odd).
    n_hidden
        Hidden units of each direction of the LSTM.
    same_padding
        Whether tracks are padded, so that the outermost bins count as much as the others.
    """

    def __init__(
        self,
        n_marks: int,
        n_bins: int,
        *,
        n_kernels: int = 20,
        n_hidden: int = 40,
        same_padding: bool = False,
    ) -> None:
        super().__init__()
        self.n_bins, self.n_features = n_bins, 2 * n_hidden
        fitting = min(KERNEL_BINS, n_bins)
        self.width = fitting - (fitting + 1) % 2  # odd, so that a window has a middle
        self.convolution = nn.Conv1d(
            n_marks, n_kernels, self.width, padding="same" if same_padding else 0
        )
        self.first_bin = 0 if same_padding else self.width // 2
        self.norm = BatchNorm(n_kernels)
        # Rounding up keeps the last window, whatever the number of bins.
        self.pool = nn.MaxPool1d(POOL, POOL, padding=1, ceil_mode=True)
        self.lstm = RaggedLSTM(n_kernels, n_hidden)
        self.attention = AdditiveAttention(2 * n_hidden)

    def forward(self, tracks: Tensor) -> tuple[Tensor, Tensor]:
        """Summary ``(n_obs, n_features)`` and attention ``(n_obs, n_bins)``, adding up to 1."""
        signal = self.pool(functional.relu(self.norm(self.convolution(tracks))))
        context, weights = self.attention(self.lstm(signal.transpose(1, 2)))
        return context, self.over_bins(weights)

    def over_bins(self, weights: Tensor) -> Tensor:
        """Share the weight of each step equally among the bins on which its windows centre."""
        n_windows = self.n_bins if self.first_bin == 0 else self.n_bins - self.width + 1
        steps = (torch.arange(n_windows, device=weights.device) + 1) // POOL
        shares = weights / torch.bincount(steps, minlength=weights.shape[1])
        after = self.n_bins - self.first_bin - n_windows
        return functional.pad(shares[:, steps], (self.first_bin, after))


class MethylationBranch(nn.Module):
    """Bidirectional LSTM over the CpGs in the order of their positions, attention over CpGs.

    Parameters
    ----------
    n_features
        Features of each CpG.
    position
        Which feature is the position; ``None`` to keep the order of the slots.
    n_hidden
        Hidden units of each direction of the LSTM.
    """

    def __init__(self, n_features: int, position: int | None, *, n_hidden: int = 10) -> None:
        super().__init__()
        self.position, self.n_features = position, 2 * n_hidden
        self.lstm = RaggedLSTM(n_features, n_hidden)
        self.attention = AdditiveAttention(2 * n_hidden)

    def forward(self, sites: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Summary ``(n_obs, n_features)`` and attention ``(n_obs, n_slots)``.

        Parameters
        ----------
        sites
            Features of the CpGs, ``(n_obs, n_slots, n_features)``.
        mask
            True for real CpGs, ``(n_obs, n_slots)``; any others are padding, wherever they are.
        """
        lengths = mask.sum(1)
        longest = int(lengths.max())
        order = self._order(sites, mask)[:, :longest]
        sequence = sites.gather(1, order[..., None].expand(-1, -1, sites.shape[2]))
        steps = torch.arange(longest, device=sites.device)
        states = self.lstm(sequence, lengths)
        context, weights = self.attention(states, steps < lengths[:, None])
        return context, torch.zeros_like(sites[..., 0]).scatter(1, order, weights)

    def _order(self, sites: Tensor, mask: Tensor) -> Tensor:
        """Real CpGs first, by position."""
        if self.position is None:
            return torch.argsort(~mask, dim=1, stable=True)
        places = sites[..., self.position].detach().masked_fill(~mask, torch.inf)
        return torch.argsort(places, dim=1, stable=True)


class FactorBranch(nn.Module):
    """Self-attention over factors, and a small layer over all of their features.

    Parameters
    ----------
    n_factors, n_features
        Factors, and features of each.
    n_outputs
        Size of the summary.
    residual
        Whether each factor keeps its own features beside those it attends to, and the summary
        starts at 0, so that only factors that matter enter it.
    dropout
        Share of the factors' features dropped in training.
    """

    def __init__(
        self,
        n_factors: int,
        n_features: int,
        *,
        n_outputs: int = 5,
        residual: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.n_features, self.residual = n_outputs, residual
        self.attention = FactorAttention(n_features)
        self.norm = BatchNorm(n_factors * n_features)
        self.dropout = nn.Dropout(dropout)
        self.reduction = nn.Linear(n_factors * n_features, n_outputs)
        if residual:
            nn.init.zeros_(self.reduction.weight)

    def forward(self, factors: Tensor) -> Tensor:
        """Summary, ``(n_obs, n_outputs)``, of factors ``(n_obs, n_factors, n_features)``."""
        attended = self.attention(factors)
        if self.residual:
            attended = factors + attended
        return torch.tanh(self.reduction(self.dropout(self.norm(attended.flatten(1)))))
