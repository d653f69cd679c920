"""Networks of the field, written from their descriptions, for few genes.

DeepChrome: one convolution over all marks, a maximum over windows, two hidden layers. Attentive-
Chrome: a bidirectional LSTM and attention over the bins of each mark, and again over the marks.
Both get both cell types, with the cell type among the last layer's inputs, tracks that are
log-transformed and standardised, Adam, and the epoch with the best AUROC of the validation genes.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional

from epigenomes.data import validation_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from epigenomes.data import Array, Genes

    Fitted = Callable[[Genes], Array]

ATTENTIVE_BINS = 100


class DeepChrome(nn.Module):
    """Convolution (50 kernels of 10 bins), maximum over 5, dropout, layers of 625 and 125."""

    def __init__(self, n_marks: int, n_bins: int, n_cell_types: int) -> None:
        super().__init__()
        width = min(10, n_bins)
        n_steps = -(-(n_bins - width + 1) // 5)
        self.convolution = nn.Conv1d(n_marks, 50, width)
        self.pool = nn.MaxPool1d(5, ceil_mode=True)
        self.hidden = nn.Sequential(
            nn.Dropout(0.5), nn.Linear(50 * n_steps, 625), nn.ReLU(), nn.Linear(625, 125), nn.ReLU()
        )
        self.output = nn.Linear(125 + n_cell_types, 1)

    def forward(self, tracks: Tensor, cell_type: Tensor) -> Tensor:
        signal = self.pool(torch.relu(self.convolution(tracks)))
        hidden = self.hidden(signal.flatten(1))
        logits: Tensor = self.output(torch.cat([hidden, cell_type], 1))
        return logits[:, 0]


class Attention(nn.Module):
    """Softmax of a scalar product with a learned vector."""

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.score = nn.Linear(n_features, 1, bias=False)

    def forward(self, states: Tensor) -> Tensor:
        return (torch.softmax(self.score(states), 1) * states).sum(1)


class AttentiveChrome(nn.Module):
    """Bidirectional LSTM (32 units) and attention for each mark; the same (16 units) over marks."""

    def __init__(self, n_marks: int, n_bins: int, n_cell_types: int) -> None:
        super().__init__()
        self.n_bins = min(ATTENTIVE_BINS, n_bins)
        make = {"batch_first": True, "bidirectional": True}
        self.over_bins = nn.ModuleList(nn.LSTM(1, 32, **make) for _ in range(n_marks))
        self.bin_attention = nn.ModuleList(Attention(64) for _ in range(n_marks))
        self.over_marks, self.mark_attention = nn.LSTM(64, 16, **make), Attention(32)
        self.dropout, self.output = nn.Dropout(0.5), nn.Linear(32 + n_cell_types, 1)

    def forward(self, tracks: Tensor, cell_type: Tensor) -> Tensor:
        tracks = functional.adaptive_avg_pool1d(tracks, self.n_bins)
        marks = [
            attention(lstm(tracks[:, i, :, None])[0])
            for i, (lstm, attention) in enumerate(
                zip(self.over_bins, self.bin_attention, strict=True)
            )
        ]
        summary = self.mark_attention(self.over_marks(torch.stack(marks, 1))[0])
        logits: Tensor = self.output(torch.cat([self.dropout(summary), cell_type], 1))
        return logits[:, 0]


NETWORKS = {"deepchrome": DeepChrome, "attentivechrome": AttentiveChrome}


def network(training: Genes, settings: dict[str, Any], seed: int) -> Fitted:
    """Train with the logistic loss; keep the best epoch of the validation genes."""
    held = validation_of(training, seed)
    kept = np.setdiff1d(np.arange(len(training.target)), held)
    labels = np.unique(training.cell_type)
    seen = np.log1p(training.values[kept])
    mean, scale = seen.mean((0, 2), keepdims=True), seen.std((0, 2), keepdims=True)

    def inputs(genes: Genes) -> tuple[Tensor, Tensor]:
        tracks = ((np.log1p(genes.values) - mean) / scale).astype(np.float32)
        cell_type = (genes.cell_type[:, None] == labels).astype(np.float32)
        return torch.from_numpy(tracks), torch.from_numpy(cell_type)

    torch.manual_seed(seed)
    model = NETWORKS[settings["network"]](*training.values.shape[1:], len(labels))
    optimizer = torch.optim.Adam(model.parameters(), lr=settings["learning_rate"])
    tracks, cell_type = inputs(training)
    target = torch.from_numpy(training.target.astype(np.float32))
    best, weights = -1.0, model.state_dict()
    for _ in range(settings["max_epochs"]):
        model.train()
        order = torch.from_numpy(kept)[torch.randperm(len(kept))]
        for rows in order.split(settings["batch_size"]):
            optimizer.zero_grad()
            logits = model(tracks[rows], cell_type[rows])
            functional.binary_cross_entropy_with_logits(logits, target[rows]).backward()
            optimizer.step()
        score = roc_auc_score(target[held], _outputs(model, tracks[held], cell_type[held]))
        if score > best:
            best, weights = score, copy.deepcopy(model.state_dict())
    model.load_state_dict(weights)
    return lambda genes: _outputs(model, *inputs(genes))


def _outputs(model: nn.Module, tracks: Tensor, cell_type: Tensor) -> Array:
    model.eval()
    with torch.inference_mode():
        parts = zip(tracks.split(256), cell_type.split(256), strict=True)
        return np.concatenate([model(*part).numpy() for part in parts])
