"""How well the model types cells, and whether its confidence can be taken at its word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from tgem._core import keys
from tgem._report._figures import figure
from tgem._report._html import Section, cards, hint, missing, notice, paragraph, table
from tgem._report._scores import by_class, counted, overall, reliability, square
from tgem._report._slots import is_filled
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


def metrics(adata: AnnData, prefix: str, labels_key: str | None) -> Section:
    """Scores and confusion of the cells that `tgem.tl.confusion` counted."""
    title = "Accuracy and confusion"
    if not is_filled(adata, keys.CONFUSION, prefix):
        return missing("metrics", title, "`tgem.tl.confusion(adata, model)`")
    counts = square(keys.CONFUSION.read(adata, prefix))
    params = adata.uns.get(keys.CONFUSION.params_key(prefix), {})
    cells = str(params.get("cells", ""))
    said = _CELLS.get(cells, "It is not recorded on which cells.")
    body = notice(said, kind="note" if cells in ("test", "validation", "given") else "warning")
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
    """True label, prediction, confidence and split of the cells that have all of them."""
    wanted = [keys.PREDICTION.key(prefix), keys.SPLIT.key(prefix)]
    if labels_key is None or not set(wanted) <= set(adata.obs):
        return None
    columns: dict[str, Any] = {
        "true": adata.obs[labels_key],
        "predicted": adata.obs[wanted[0]],
        "split": adata.obs[wanted[1]],
    }
    if keys.CONFIDENCE.key(prefix) in adata.obs:
        columns["confidence"] = adata.obs[keys.CONFIDENCE.key(prefix)]
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


def calibration(adata: AnnData, prefix: str, labels_key: str | None) -> Section:
    """Accuracy of test cells against the confidence of their labels."""
    title = "Calibration"
    frame = _labelled(adata, prefix, labels_key)
    if frame is None or "confidence" not in frame:
        return missing(
            "calibration",
            title,
            "`tgem.pp.split` before training, `tgem.tl.predict` after it, and "
            "`tgem.report(adata, path, labels_key=...)`",
        )
    test = frame[frame["split"] == "test"].dropna(subset=["confidence"])
    if test.empty:
        body = hint("No labelled test cell has a prediction, and training cells prove nothing.")
        return Section("calibration", title, body, present=False)
    bins = reliability(test["confidence"].tolist(), (test["true"] == test["predicted"]).tolist())
    gap = (bins["mean confidence"] - bins["accuracy"]).abs() @ bins["cells"] / bins["cells"].sum()
    body = paragraph(
        f"{len(test):,} test cells by the probability of their predicted label. Where confidence "
        "can be taken at its word, accuracy equals mean confidence; few cells scatter widely."
    )
    body += cards({"mean gap (expected calibration error)": float(gap)})
    body += table(bins, label="Confidence and accuracy of test cells")
    return Section("calibration", title, body)
