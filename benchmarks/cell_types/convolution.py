"""A small one-dimensional convolutional network over the genes, in the order of the data."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cell_types.classical import Standardized
from cell_types.fitted import Fitted
from cell_types.splits import hold_out

if TYPE_CHECKING:
    from cell_types.data import Cells

PREDICTION_BATCH_SIZE = 256


def network(n_genes: int, n_classes: int, settings: dict[str, Any]) -> nn.Module:
    """Two convolutions with pooling, and a linear classifier."""
    first, second = settings["channels"]
    width, stride = settings["width"], settings["stride"]

    def block(before: int, after: int) -> list[nn.Module]:
        convolution = nn.Conv1d(before, after, width, stride=stride, padding=width // 2)
        return [convolution, nn.ReLU(), nn.MaxPool1d(2, ceil_mode=True)]

    features = nn.Sequential(*block(1, first), *block(first, second), nn.Flatten())
    n_features = features(torch.zeros(1, 1, n_genes)).shape[1]
    classifier = nn.Linear(n_features, n_classes)
    return nn.Sequential(features, nn.Dropout(settings["dropout"]), classifier)


def convolutional_network(training: Cells, settings: dict[str, Any], seed: int) -> Fitted:
    """Train with early stopping on a tenth of the training cells; the best epoch is kept."""
    classes, codes = np.unique(training.labels, return_inverse=True)
    kept, held = hold_out(
        training.labels, training.groups, share=settings["validation_share"], seed=seed
    )
    standardized = Standardized(training.dense()[kept], rotate=False)
    inputs = torch.from_numpy(standardized(training.dense())).unsqueeze(1)
    targets = torch.from_numpy(codes)
    torch.manual_seed(seed)
    model = network(inputs.shape[2], len(classes), settings)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings["learning_rate"], weight_decay=settings["weight_decay"]
    )
    best, best_epoch, weights = np.inf, -1, model.state_dict()
    for epoch in range(settings["max_epochs"]):
        model.train()
        for rows in torch.from_numpy(kept)[torch.randperm(len(kept))].split(settings["batch_size"]):
            optimizer.zero_grad()
            functional.cross_entropy(model(inputs[rows]), targets[rows]).backward()
            optimizer.step()
        loss = functional.cross_entropy(outputs(model, inputs[held]), targets[held]).item()
        if loss < best:
            best, best_epoch, weights = loss, epoch, copy.deepcopy(model.state_dict())
        elif epoch - best_epoch >= settings["patience"]:
            break
    model.load_state_dict(weights)

    def predict(cells: Cells) -> np.ndarray[Any, Any]:
        values = torch.from_numpy(standardized(cells.dense())).unsqueeze(1)
        return classes[outputs(model, values).argmax(1).numpy()]

    return Fitted(predict, {"epochs": best_epoch + 1})


def outputs(model: nn.Module, inputs: Tensor) -> Tensor:
    """Logits, without dropout."""
    model.eval()
    with torch.inference_mode():
        return torch.cat([model(batch) for batch in inputs.split(PREDICTION_BATCH_SIZE)])
