"""What the data and the model are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from tgem._core import keys
from tgem._report._html import Section, cards, hint, paragraph, table

if TYPE_CHECKING:
    from anndata import AnnData


def overview(adata: AnnData, prefix: str, labels_key: str | None) -> Section:
    """Sizes, model, and how many cells have and were given each label."""
    shown_columns = {
        "labelled": labels_key,
        "predicted": keys.PREDICTION.key(prefix),
        "majority vote": keys.MAJORITY_VOTE.key(prefix),
    }
    columns = {
        name: adata.obs[key].astype(str).where(adata.obs[key].notna())
        for name, key in shown_columns.items()
        if key is not None and key in adata.obs
    }
    values: dict[str, Any] = {"cells": adata.n_obs, "genes": adata.n_vars}
    classes = _classes(adata, prefix)
    if classes:
        values["classes"] = len(classes)
    model = _recorded(adata, prefix, "model")
    if model:
        values["model"] = model
    written = _recorded(adata, prefix, "tgem_version")
    if written:
        values["tgem version"] = written
    if "predicted" in columns and keys.UNKNOWN not in classes:
        share = float((columns["predicted"] == keys.UNKNOWN).mean())
        if share:
            values["share called unknown"] = share
    body = cards(values)
    if columns:
        counts = pd.DataFrame({name: column.value_counts() for name, column in columns.items()})
        counts = counts.fillna(0).astype(int).sort_index()
        shown = counts.rename_axis("class").reset_index()
        body += table(shown, label="Cells of each class")
    body += _of_votes(adata, prefix)
    if labels_key is not None:
        body += hint(f"Given labels: `adata.obs[{labels_key!r}]`.")
    else:
        body += hint(
            "Call `tgem.report(adata, path, labels_key=...)` to compare with given labels, cell by "
            "cell."
        )
    return Section("overview", "Overview", body)


def _of_votes(adata: AnnData, prefix: str) -> str:
    """How clear the majorities of the clusters are, where they voted."""
    votes = adata.uns.get(keys.MAJORITY_VOTE.params_key(prefix), {})
    if "clusters" not in votes or keys.MAJORITY_SHARE.key(prefix) not in adata.obs:
        return ""
    clear = votes["clusters"]["is_clear"].astype(bool)
    share = float(adata.obs[keys.MAJORITY_SHARE.key(prefix)].mean())
    return paragraph(
        f"Majority vote over {len(clear):,} clusters of adata.obs[{str(votes['groupby'])!r}]: "
        f"{int(clear.sum()):,} have a clear majority, and {100 * share:.3g} % of the cells were "
        "predicted to have the most frequent label of their cluster."
    )


def _recorded(adata: AnnData, prefix: str, name: str) -> str:
    """What the calls wrote of a setting, each value once."""
    found = [
        str(params[name])
        for key, params in sorted(adata.uns.items(), key=lambda item: str(item[0]))
        if str(key).startswith(f"{prefix}_") and str(key).endswith("_params") and name in params
    ]
    return ", ".join(dict.fromkeys(found))


def _classes(adata: AnnData, prefix: str) -> list[str]:
    params = adata.uns.get(keys.PREDICTION.params_key(prefix), {})
    if "classes" in params:
        return [str(label) for label in params["classes"]]
    predicted = adata.obs.get(keys.PREDICTION.key(prefix))
    if predicted is not None:
        return sorted(predicted.dropna().astype(str).unique())
    counts = adata.uns.get(keys.CONFUSION.key(prefix))
    return [] if counts is None else list(counts["true"].astype(str).unique())
