"""How training went, which genes decided, and what the model loses without them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tgem._core import keys
from tgem._core.one_model import mismatch_of_models
from tgem._report._figures import figure
from tgem._report._html import Section, cards, hint, missing, notice, paragraph, table
from tgem._report._slots import is_filled
from tgem.pl import ablation as plot_ablation
from tgem.pl import attribution as plot_attribution
from tgem.pl import history as plot_history
from tgem.pl import rank_genes as plot_rank_genes

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

_MOST_LIKE_SHUFFLED = 0.5  # rank correlation


def history(adata: AnnData, prefix: str) -> Section:
    """Training curves."""
    title = "Training"
    if not is_filled(adata, keys.HISTORY, prefix):
        return missing("training", title, "`tgem.tl.history(adata, model)`")
    curves: pd.DataFrame = keys.HISTORY.read(adata, prefix)
    text = f"{len(curves):,} {'epoch' if len(curves) == 1 else 'epochs'}."
    if {"train_loss", "validation_loss"} <= set(curves):
        text += (
            " A validation loss that rises while the training loss falls means that the model "
            "learns the training cells by heart."
        )
    drawn = figure(plot_history, adata, key_added=prefix, show=False, label="Training curves")
    return Section("training", title, paragraph(text) + drawn)


def top_genes(adata: AnnData, prefix: str, n_rows: int) -> Section:
    """Genes with the largest attributions for each class."""
    title = "Genes that decided"
    if keys.RANKING.key(prefix) in adata.uns:
        ranking: pd.DataFrame = keys.RANKING.read(adata, prefix)
        kept = ranking[ranking["rank"] <= n_rows]
        columns = ["class", "rank", "gene", "mean", "median", "share_expressing"]
        names = {"mean": "mean attribution", "median": "median attribution"}
        names["share_expressing"] = "share of cells expressing it"
        body = _of_attribution(adata, prefix)
        if len(kept):
            body += figure(
                plot_rank_genes,
                adata,
                key_added=prefix,
                show=False,
                label="Top genes of each class",
            )
        body += table(_plain(kept[columns]).rename(columns=names), label="Top genes of each class")
        return Section("genes", title, body)
    if keys.ATTRIBUTION_MEAN.key(prefix) in adata.varm:
        body = _of_attribution(adata, prefix) + figure(
            plot_attribution, adata, key_added=prefix, show=False, label="Top genes of each class"
        )
        body += hint("`tgem.tl.rank_genes(adata)` would add them as a table.")
        return Section("genes", title, body)
    calls = "`tgem.tl.attribution(adata, model)`, then `tgem.tl.rank_genes(adata)`"
    return missing("genes", title, calls)


def _of_attribution(adata: AnnData, prefix: str) -> str:
    method = adata.uns.get(keys.ATTRIBUTION.params_key(prefix), {}).get("method")
    by = f" by {str(method).replace('_', ' ')}" if method else ""
    mismatch = mismatch_of_models(adata, prefix)
    doubt = notice(mismatch, kind="warning") if mismatch else ""
    return doubt + paragraph(
        f"Mean attribution{by}, over the cells that were given the class: what a gene added to "
        "the class's logit. It says what the model used, not what causes the class; a gene that "
        "repeats what others say may rank low."
    )


def ablation(adata: AnnData, prefix: str) -> Section:
    """Accuracy without, and with nothing but, the deciding genes."""
    title = "Ablation"
    if not is_filled(adata, keys.ABLATION, prefix):
        return missing("ablation", title, "`tgem.tl.ablation(adata, model)`")
    params = adata.uns.get(keys.ABLATION.params_key(prefix), {})
    names = {
        "area_deletion": "accuracy lost to deleting top genes, beyond random ones",
        "area_insertion": "accuracy gained by inserting them",
        "shuffled_correlation": "rank correlation with a model of shuffled weights",
    }
    values: dict[str, float | str] = {
        text: float(params[name]) for name, text in names.items() if name in params
    }
    body = paragraph(
        "If the attributions name the genes that decide, deleting those with the largest ones "
        "costs more accuracy than deleting random genes, and inserting them gives more back."
    )
    area = float(params.get("area_deletion", np.nan))
    shuffled = float(params.get("shuffled_correlation", np.nan))
    if area <= 0:
        body += notice(
            "Deleting the top genes costs no more accuracy than deleting random genes: the "
            "attributions do not find what this model needs.",
            kind="warning",
        )
    if shuffled >= _MOST_LIKE_SHUFFLED:
        body += notice(
            "The attributions are much like those of a model with shuffled weights: they show the "
            "data more than what was learnt.",
            kind="warning",
        )
    if "shuffled_correlation" in params and np.isnan(shuffled):
        values[names["shuffled_correlation"]] = "not defined"
        body += hint(
            "The attributions of this model, or of the one with shuffled weights, are the same "
            "for all genes: whether they come from training was not shown."
        )
    body += cards(values) if values else ""
    body += figure(plot_ablation, adata, key_added=prefix, show=False, label="Ablation of genes")
    return Section("ablation", title, body)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Labels and genes as text, whatever the file made of them."""
    return frame.astype({"class": str, "gene": str})
