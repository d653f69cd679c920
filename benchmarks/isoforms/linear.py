"""Ridge regression and the elastic net, of many outputs at once."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

RIDGE_PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0)
NET_PENALTIES = (0.4, 0.2, 0.1)  # descending, so that each fit starts from a sparser one
L1_SHARE = 0.5
STEPS = 40
CLIP = 3.0


class Scale:
    """Inputs in standard deviations of the training samples, clipped as DeepSF clips them."""

    def __init__(self, training: Array) -> None:
        self.mean, self.deviation = training.mean(axis=0), training.std(axis=0)
        self.varying = self.deviation > 1e-4

    def __call__(self, values: Array) -> Array:
        deviation = np.where(self.varying, self.deviation, np.inf)
        scaled: Array = np.clip((values - self.mean) / deviation, -CLIP, CLIP)
        return scaled[:, self.varying]


def ridge(inputs: Array, targets: Array) -> list[Array]:
    """Coefficients, ``(n_inputs, n_outputs)``, for each penalty; times the number of inputs."""
    left, values, right = np.linalg.svd(inputs, full_matrices=False)
    projected = left.T @ targets
    return [
        right.T @ ((values / (values**2 + penalty * inputs.shape[1]))[:, None] * projected)
        for penalty in RIDGE_PENALTIES
    ]


def elastic_net(inputs: Array, targets: Array) -> list[Array]:
    """Coefficients for each penalty, of targets in units of their own standard deviation.

    Accelerated proximal gradient steps, from the solution of the next larger penalty.
    """
    inputs = inputs.astype(np.float32)
    deviation = targets.std(axis=0)
    known = np.where(deviation > 1e-8, deviation, np.inf)
    scaled = (targets / known).astype(np.float32)
    squares, products = inputs.T @ inputs / len(inputs), inputs.T @ scaled / len(inputs)
    largest = float(np.linalg.eigvalsh(squares).max())
    found, weights = [], np.zeros_like(products)
    for penalty in NET_PENALTIES:
        step = 1 / (largest + penalty * (1 - L1_SHARE))
        ahead, momentum = weights, 1.0
        for _ in range(STEPS):
            slope = squares @ ahead - products + penalty * (1 - L1_SHARE) * ahead
            moved = ahead - step * slope
            size = np.maximum(np.abs(moved) - step * penalty * L1_SHARE, 0)
            following = np.copysign(size, moved)
            next_momentum = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            ahead = following + np.float32((momentum - 1) / next_momentum) * (following - weights)
            weights, momentum = following, next_momentum
        found.append(weights * deviation)
    return found


LINEAR = {"ridge": (ridge, RIDGE_PENALTIES), "elastic net": (elastic_net, NET_PENALTIES)}
