"""How well the model types cells, and whether its confidence can be taken at its word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from tgem._core import keys
from tgem._report._figures import figure
from tgem._report._html import Section, cards, hint, missing, notice, paragraph, table
from tgem._report._scores import by_class, counted, overall, square
from tgem._report._slots import is_filled
from tgem.pl import calibration as plot_calibration
from tgem.pl import confusion as plot_confusion

if TYPE_CHECKING:
    from anndata import AnnData

_CELLS = {
    "test": "On the test cells, which training did not see.",
    "validation": "On the validation cells, by which the end of training was chosen: not as strict "
    "as test cells.",
    "given": "On the cells that the caller chose.",
    "all": "On all labelled cells of these data: worth something only if the model was trained on "
    "others.",
}
_SPLITS = ("train", "validation", "test")
_NAMES = {"train": "train (seen in training)"}
_ALL_CELLS = "(all)"
_ERRORS = {
    "expected_calibration_error": "expected calibration error",
    "expected_calibration_error_floor": "the same by chance",
    "brier_score": "Brier score",
    "temperature": "temperature",
}


def metrics(adata: AnnData, prefix: str, labels_key: str | None) -> Section:
    """Scores and confusion of the cells that `tgem.tl.confusion` counted."""
    title = "Accuracy and confusion"
    if not is_filled(adata, keys.CONFUSION, prefix):
        return missing("metrics", title, "`tgem.tl.confusion(adata, model)`")
    counts = square(keys.CONFUSION.read(adata, prefix))
    params = adata.uns.get(keys.CONFUSION.params_key(prefix), {})
    body = _of_which_cells(params)
    body += cards({"cells": int(counts.to_numpy().sum())} | overall(counts))
    body += paragraph(
        "Balanced accuracy is the mean recall of the classes, macro-F1 the mean of their F1: rare "
        "classes count as much as common ones. MCC is Matthews' correlation."
    )
    body += figure(plot_confusion, adata, key_added=prefix, show=False, label="Confusion")
    body += table(by_class(counts), label="Scores of each class")
    body += _by_split(adata, prefix, labels_key)
    return Section("metrics", title, body)


def _labelled(adata: AnnData, prefix: str, labels_key: str | None) -> pd.DataFrame | None:
    """True label, prediction and split of the cells that have all of them."""
    wanted = [keys.PREDICTION.key(prefix), keys.SPLIT.key(prefix)]
    if labels_key is None or not set(wanted) <= set(adata.obs):
        return None
    columns: dict[str, Any] = {
        "true": adata.obs[labels_key],
        "predicted": adata.obs[wanted[0]],
        "split": adata.obs[wanted[1]],
    }
    frame = pd.DataFrame(columns).dropna(subset=["true", "predicted", "split"])
    frame = frame.astype({"true": str, "predicted": str, "split": str})
    known = adata.uns.get(keys.PREDICTION.params_key(prefix), {}).get("classes")
    if known is not None:  # of a label that the model cannot give, no cell can be right
        frame = frame[frame["true"].isin([str(label) for label in known])]
    return frame


def _by_split(adata: AnnData, prefix: str, labels_key: str | None) -> str:
    frame = _labelled(adata, prefix, labels_key)
    if frame is None or frame.empty:
        return hint(
            "Scores of training, validation and test cells apart need `tgem.pp.split`, "
            "`tgem.tl.predict` and `tgem.report(adata, path, labels_key=...)`."
        )
    rows = []
    others = sorted(set(frame["split"]) - set(_SPLITS))
    for name in [each for each in (*_SPLITS, *others) if each in set(frame["split"])]:
        part = frame[frame["split"] == name]
        scores = overall(counted(part["true"].tolist(), part["predicted"].tolist()))
        rows.append({"split": _NAMES.get(name, name), "cells": len(part)} | scores)
    note = (
        f"By adata.obs[{keys.SPLIT.key(prefix)!r}], true for the model only if it was trained with "
        "that column as split_key. Only test cells tell how it does on new ones."
    )
    return table(pd.DataFrame(rows), label="Scores of each split", note=note)


def calibration(adata: AnnData, prefix: str) -> Section:
    """Accuracy against confidence, of the cells that `tgem.tl.calibration` sorted into bins."""
    title = "Calibration"
    if not is_filled(adata, keys.CALIBRATION, prefix):
        return missing("calibration", title, "`tgem.tl.calibration(adata, model)`")
    stored = keys.CALIBRATION.read(adata, prefix)
    bins = stored[stored["class"].astype(str) == _ALL_CELLS]
    params = adata.uns.get(keys.CALIBRATION.params_key(prefix), {})
    body = _of_which_cells(params)
    body += cards({text: float(params[name]) for name, text in _ERRORS.items() if name in params})
    body += paragraph(
        "Where confidence can be taken at its word, accuracy equals mean confidence; bins of few "
        "cells scatter widely. The calibration error is the mean gap between the two; the error by "
        "chance is what probabilities without fault would show in as many cells."
    )
    body += figure(plot_calibration, adata, key_added=prefix, show=False, label="Calibration")
    n_bins = int(params.get("n_bins", bins["bin"].max() + 1))
    shown = pd.DataFrame(
        {
            "confidence": [f"{at / n_bins:.3g} to {(at + 1) / n_bins:.3g}" for at in bins["bin"]],
            "cells": bins["n_cells"].to_numpy(),
            "mean confidence": bins["confidence"].to_numpy(),
            "accuracy": bins["accuracy"].to_numpy(),
            "95 % from": bins["low"].to_numpy(),
            "to": bins["high"].to_numpy(),
        }
    )
    return Section("calibration", title, body + table(shown, label="Confidence and accuracy"))


def _of_which_cells(params: dict[str, Any]) -> str:
    """Say on which cells it was measured, loudly where these may be training cells."""
    cells = str(params.get("cells", ""))
    said = _CELLS.get(cells, "It is not recorded on which cells.")
    return notice(said, kind="note" if cells in ("test", "validation", "given") else "warning")
