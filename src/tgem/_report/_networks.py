"""The network to click through, its hubs and its stability."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tgem._core import keys
from tgem._core.networks import network_key, read_network
from tgem._report._attention import shares, verdict
from tgem._report._figures import figure
from tgem._report._html import Section, hint, missing, notice, paragraph, table
from tgem._report._slots import is_filled
from tgem.pl import hubs as plot_hubs
from tgem.pl import stability as plot_stability
from tgem.pl._network_page import network_view

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

_MOST_EDGES = 60_000  # in the page, of all classes together
_MOST_ROWS = 3_000  # of a table
_MAX_FDR = 0.05
_TESTED_HUBS = "tgem.tl.hubs(adata, model)"
_NOT_TESTED = "not tested"  # how the parameters of hubs begin that no null was made for


def network(adata: AnnData, prefix: str, n_edges: int | None) -> Section:
    """Return the interactive drawing, under the sentence about what it is worth."""
    title = "Network"
    if network_key(prefix) not in adata.uns:
        return missing("network", title, f"`{keys.NETWORK.written_by}(adata, model)`")
    table_ = read_network(adata, prefix)
    edges = table_.assign(
        **{"class": table_["class"].astype(str) if "class" in table_ else "all"},
        source=table_["source"].astype(str).astype(object),
        target=table_["target"].astype(str).astype(object),
    ).reset_index(drop=True)
    body = verdict(shares(adata, prefix))
    if edges.empty:
        return Section("network", title, body + paragraph("The network has no edges."))
    classes = list(edges["class"].unique())
    n_kept = n_edges or max(_MOST_EDGES // len(classes), 1)
    order = edges["weight"].abs().sort_values(ascending=False, kind="stable").index
    kept = edges.loc[order].groupby("class", sort=False).head(n_kept)
    text = (
        "Blue edges have positive weights, vermilion ones negative. Choose a class and a layer, "
        "find a gene, drag genes, and click one to see its edges. Click the drawing before you "
        "zoom with the wheel. Distances mean nothing beyond links."
    )
    if len(kept) < len(edges):
        text += (
            f" This page holds the {n_kept:,} strongest edges of each class, {len(kept):,} of "
            f"{len(edges):,} in all; the data hold the rest."
        )
    body += paragraph(text)
    body += network_view(kept, classes=classes, caption="")
    return Section("network", title, body)


def hubs(adata: AnnData, prefix: str) -> Section:
    """Genes with many or strong edges, and whether chance would give as many."""
    title = "Hubs"
    if keys.HUBS.key(prefix) not in adata.uns:
        return missing("hubs", title, f"`{_TESTED_HUBS}`")
    found: pd.DataFrame = keys.HUBS.read(adata, prefix)
    params = adata.uns.get(keys.HUBS.params_key(prefix), {})
    tested = bool(found["fdr"].notna().any())
    significant = found["fdr"] <= _MAX_FDR
    if tested:
        text = (
            f"{int(significant.sum()):,} of {len(found):,} are significant at a false discovery "
            f"rate of {_MAX_FDR:g}, Benjamini and Hochberg's within a class."
        )
        if params.get("null") == "degree":
            text += (
                " The null keeps every degree and permutes weights: it asks whether edges are "
                "strong for their number, not whether there are many."
            )
        body = paragraph(text)
    else:
        body = _not_tested(str(params.get("null", "")))
    body = verdict(shares(adata, prefix), brief=True) + body
    body += figure(
        plot_hubs, adata, key_added=prefix, show=False, label="Largest hubs of each class"
    )
    n_rows = max(_MOST_ROWS // max(found["class"].nunique(), 1), 1)
    kept = found.astype({"class": str, "gene": str}).sort_values(["class", "rank"], kind="stable")
    kept = kept.groupby("class", sort=False).head(n_rows)
    note = "" if len(kept) == len(found) else f"The first {n_rows:,} of each class."
    names = {"p_value": "p-value", "fdr": "FDR"}
    body += table(
        kept.rename(columns=names), label="Hubs", marked=kept["fdr"] <= _MAX_FDR, note=note
    )
    return Section("hubs", title, body)


def _not_tested(null: str) -> str:
    """Say that there are no p-values, and why, or which call adds them."""
    if null.startswith(_NOT_TESTED):
        return notice(
            f"Hubs were {null}.",
            kind="warning",
            because=f"{_TESTED_HUBS} trained no model on permuted labels for them.",
        )
    text = "No hub was tested: degree alone is no evidence."
    return notice(text, kind="warning") + hint(
        f"`{_TESTED_HUBS}` adds p-values: it trains the model again on permuted labels."
    )


def stability(adata: AnnData, prefix: str) -> Section:
    """How often edges and hubs come back when the model is trained again."""
    title = "Stability"
    if keys.STABILITY.key(prefix) not in adata.uns:
        return missing("stability", title, "`tgem.tl.stability(adata, model)`")
    params = adata.uns.get(keys.STABILITY.params_key(prefix), {})
    others = {"seed": "from other seeds", "bootstrap": "on resampled cells"}
    how = others.get(str(params.get("by")), "from other seeds or on resampled cells")
    runs = f"{int(params['n_runs']):,} trainings" if "n_runs" in params else "trainings"
    text = (
        f"Share of {runs}, {how}, whose network has the edge, or has the gene among its hubs. "
        "What comes back rarely belongs to the training run, not to the cells; what comes back "
        "often need not be about the labels."
    )
    if params.get("n_with_edges", params.get("n_runs")) != params.get("n_runs"):
        text += f" {int(params['n_with_edges']):,} of them have a network with any edges."
    body = paragraph(text)
    if is_filled(adata, keys.STABILITY_HUBS, prefix):
        body += figure(
            plot_stability, adata, key_added=prefix, show=False, label="Hubs that come back most"
        )
        body += _by_frequency(keys.STABILITY_HUBS.read(adata, prefix), "Hubs")
    body += _by_frequency(keys.STABILITY.read(adata, prefix), "Edges")
    return Section("stability", title, body)


def _by_frequency(found: pd.DataFrame, what: str) -> str:
    """Table of the most frequent rows of each class."""
    texts = [name for name in ("class", "layer", "gene", "source", "target") if name in found]
    kept = found.astype(dict.fromkeys(texts, str))
    kept = kept.sort_values("frequency", ascending=False, kind="stable")
    n_rows = max(_MOST_ROWS // max(kept["class"].nunique(), 1), 1)
    kept = kept.groupby("class", sort=False).head(n_rows).sort_values("class", kind="stable")
    if "in_network" in kept:
        kept = kept.assign(in_network=np.where(kept["in_network"].astype(bool), "yes", "no"))
    names = {name: name.replace("_", " ") for name in ("mean_rank", "same_sign", "in_network")}
    note = "" if len(kept) == len(found) else f"The {n_rows:,} most frequent of each class."
    return table(kept.rename(columns=names), label=f"{what} by frequency", note=note)
