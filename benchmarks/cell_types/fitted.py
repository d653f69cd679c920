"""What every method returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from cell_types.data import Cells


@dataclass(frozen=True)
class Fitted:
    """A fitted method.

    Attributes
    ----------
    predict
        Labels of other cells.
    chosen
        What tuning chose, for the record.
    measured
        Times and memory, where the method ran in a process of its own.
    """

    predict: Callable[[Cells], np.ndarray[Any, Any]]
    chosen: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, float] = field(default_factory=dict)
