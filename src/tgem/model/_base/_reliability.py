"""What a trained classifier keeps beside its weights, to say how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import softmax

from tgem.model._base._calibration import Calibration, calibrated
from tgem.model._base._novelty import TrainingSpace

Array = np.ndarray[Any, Any]

SPACE = "space."
NOT_MEASURED = Calibration(reason="the model is not trained, or was by an earlier version of tgem")


@dataclass(frozen=True)
class Reliability:
    """Measured at the end of training.

    Attributes
    ----------
    calibration
        Temperature of the probabilities.
    space
        Where the training cells lie; ``None`` for models saved without it.
    novelty
        Novelty of each validation cell.
    label_scores
        1 less the probability, at temperature 1, of each validation cell's label.
    """

    calibration: Calibration = NOT_MEASURED
    space: TrainingSpace | None = None
    novelty: Array = field(default_factory=lambda: np.empty(0, dtype=np.float32))
    label_scores: Array = field(default_factory=lambda: np.empty(0))

    def as_saved(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """What goes into the text file, and what into the file of arrays."""
        space = {} if self.space is None else self.space.arrays()
        return {"calibration": self.calibration._asdict()}, {
            "novelty": self.novelty,
            "label_scores": self.label_scores,
            **{f"{SPACE}{name}": values for name, values in space.items()},
        }

    @classmethod
    def from_saved(cls, described: dict[str, Any], arrays: dict[str, Array]) -> Reliability:
        """Read what :meth:`as_saved` gave."""
        if not described:
            return cls()
        space = {
            name.removeprefix(SPACE): values
            for name, values in arrays.items()
            if name.startswith(SPACE)
        }
        return cls(
            Calibration(**described["calibration"]),
            TrainingSpace(**space) if space else None,
            arrays["novelty"],
            arrays["label_scores"],
        )


def reliability(
    space: TrainingSpace,
    logits: Array,
    codes: Array,
    *,
    novelty: Array,
    trained: Array,
    n_scaled: int = 0,
) -> Reliability:
    """Measure on validation cells how far the classifier can be trusted.

    Parameters
    ----------
    space
        Where the training cells lie.
    logits, codes, novelty
        Of the validation cells: the network's outputs, their classes, and their novelty.
    trained
        Classes with training cells. Others, to which the network gives next to no probability,
        have no say in the temperature.
    n_scaled
        Cells that have set the scale of the logits (:func:`calibrated`).
    """
    known = np.isin(codes, trained)
    p = softmax(np.asarray(logits, dtype=np.float64), axis=1)
    own = np.take_along_axis(p, codes[:, None], axis=1)[:, 0]
    calibration = calibrated(logits[known], codes[known], n_scaled=n_scaled)
    return Reliability(calibration, space, np.asarray(novelty), 1 - own)
