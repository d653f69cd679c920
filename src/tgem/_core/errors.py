"""Warnings of our own, so that users can silence or escalate exactly one kind."""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGE = str(Path(__file__).parent.parent) + os.sep


class TgemWarning(UserWarning):
    """Base class of every warning that tgem emits."""


class ExpressionWarning(TgemWarning):
    """The expression values look usable but unusual for the model."""


class GeneAlignmentWarning(TgemWarning):
    """Some of the genes that a model was trained on are absent from the data."""


class AttentionWarning(TgemWarning):
    """What was read from attention says little, because attention decides little."""


class ConvergenceWarning(TgemWarning):
    """A numerical result did not reach the accuracy it promises."""


class RegulationWarning(TgemWarning):
    """What was read as regulation is not supported by held-out samples or by evidence."""


class TrainingWarning(TgemWarning):
    """Training ended or was arranged in a way that the user should know about."""


class LabelWarning(TgemWarning):
    """Some predicted labels could not be translated."""


class GenomeWarning(TgemWarning):
    """Genes, chromosomes or bases that a file lacks, or names more than once."""


class MeasurementWarning(TgemWarning):
    """Genes of which nothing was measured have no result."""


class PreparationWarning(TgemWarning):
    """Data do not say how they were prepared, where a model's training data did."""


class ResultsWarning(TgemWarning):
    """Results that are read together are not of one model."""


class GeneSetWarning(TgemWarning):
    """Some gene sets were not tested, because too few of their genes are known."""


def warn(message: str, category: type[TgemWarning]) -> None:
    """Warn at the line that the user wrote: the first one outside tgem and scvi-tools."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame.f_code.co_filename):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


@contextmanager
def quiet(category: type[TgemWarning] = TgemWarning) -> Iterator[None]:
    """Run a block without a kind of our warnings: of something that the user did not ask for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category)
        yield


def _is_ours(filename: str) -> bool:
    return filename.startswith(_PACKAGE) or f"{os.sep}scvi{os.sep}" in filename


def listed(names: object, limit: int = 5) -> str:
    """Join a few names for a message, saying how many more there are."""
    items = [str(name) for name in names]  # type: ignore[attr-defined]
    shown = ", ".join(repr(item) for item in items[:limit])
    return shown if len(items) <= limit else f"{shown} and {len(items) - limit} more"
