"""Whether attributions and predictions in the data are of one model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgem._core import keys
from tgem._core.errors import ResultsWarning, listed, warn

if TYPE_CHECKING:
    from anndata import AnnData


def mismatch_of_models(adata: AnnData, prefix: str | None) -> str:
    """Say how the classes of attributions and predictions differ; empty if they may be of one.

    Attributions of a single label have that class alone.
    """
    of_attribution = adata.uns.get(keys.ATTRIBUTION.params_key(prefix), {})
    of_prediction = adata.uns.get(keys.PREDICTION.params_key(prefix), {})
    if "classes" not in of_attribution or "classes" not in of_prediction:
        return ""
    explained = [str(label) for label in of_attribution["classes"]]
    predicted = [str(label) for label in of_prediction["classes"]]
    unknown = [label for label in explained if label not in predicted]
    absent = [label for label in predicted if label not in explained]
    if str(of_attribution.get("target", "predicted")) != "predicted":
        absent = []
    if not unknown and not absent:
        return ""
    parts = []
    if unknown:
        parts.append(f"{listed(unknown)} in attributions only")
    if absent:
        parts.append(f"{listed(absent)} in predictions only")
    return (
        "The attributions are not of the model that made the predictions, whose classes differ: "
        f"{'; '.join(parts)}. Write both with one model, or with another `key_added` for each."
    )


def warn_of_two_models(adata: AnnData, prefix: str | None) -> None:
    """Warn if attributions and predictions under one prefix cannot be of one model."""
    msg = mismatch_of_models(adata, prefix)
    if msg:
        warn(msg, ResultsWarning)
