"""Scores of predicted labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn import metrics


def classification_scores(
    true: np.ndarray[Any, Any], predicted: np.ndarray[Any, Any], classes: np.ndarray[Any, Any]
) -> dict[str, Any]:
    """Scores of labels.

    Balanced accuracy is over the classes that occur among the true labels, macro-F1 over those that
    occur among the true or the predicted ones. Matthews' correlation with a single true class is
    missing: there is nothing to correlate with.
    """
    code = {label: i for i, label in enumerate(classes)}
    y, p = (np.array([code[label] for label in labels]) for labels in (true, predicted))
    present = np.unique(y)
    recall = metrics.recall_score(y, p, labels=present, average="macro", zero_division=0)
    counts = metrics.confusion_matrix(y, p, labels=np.arange(len(classes)))
    return {
        "accuracy": float((y == p).mean()),
        "balanced_accuracy": float(recall),
        "macro_f1": float(metrics.f1_score(y, p, average="macro", zero_division=0)),
        "mcc": float(metrics.matthews_corrcoef(y, p)) if len(present) > 1 else float("nan"),
        "n_cells": len(y),
        "confusion": pd.DataFrame(counts, index=classes, columns=classes),
    }
