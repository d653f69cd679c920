"""Gene sets that the deciding genes belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgem._core import keys
from tgem._report._figures import figure
from tgem._report._html import Section, hint, missing, paragraph, table
from tgem.pl import enrich as plot_enrich

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

_MOST_ROWS = 2_000
_MAX_FDR = 0.05
_MANY_CLASSES = 10
_MOST_GENES = 15  # named in a row
_RATES = ("Adjusted P-value", "FDR q-val")
_LISTS = ("Genes", "Lead_genes")
_LEFT_OUT = ("Gene_set", "Name")  # say what the class column says


def enrichment(adata: AnnData, prefix: str) -> Section:
    """Plot and table of what `tgem.tl.enrich` found."""
    title = "Gene sets"
    if keys.ENRICHMENT.key(prefix) not in adata.uns:
        return missing("enrichment", title, "`tgem.tl.enrich(adata, gene_sets)`")
    found: pd.DataFrame = keys.ENRICHMENT.read(adata, prefix)
    params = adata.uns.get(keys.ENRICHMENT.params_key(prefix), {})
    tested = [str(label) for label in params.get("classes", [])]
    n_classes = len(tested) or found["class"].nunique()
    rate = next(name for name in _RATES if name in found)
    marked = found[rate] <= _MAX_FDR
    text = (
        f"{int(marked.sum()):,} of {len(found):,} rows at an adjusted p-value, or false discovery "
        f"rate, of at most {_MAX_FDR:g}."
    )
    if "n_background" in params:
        text += f" The background is the {int(params['n_background']):,} genes of the model."
    if "n_sets" in params:
        text += f" {int(params['n_sets']):,} sets were tested for each class"
        n_small = int(params.get("n_sets_too_small", 0))
        text += f"; {n_small:,} had too few genes for it." if n_small else "."
    body = paragraph(text)
    if found.empty:
        return Section("enrichment", title, body + hint("No set shares a gene with top genes."))
    body += figure(
        plot_enrich, adata, n_terms=1 if n_classes > _MANY_CLASSES else 3, key_added=prefix,
        show=False, label="Gene sets of each class",
    )  # fmt: skip
    n_rows = max(_MOST_ROWS // max(n_classes, 1), 1)
    kept = found.sort_values(["class", rate], kind="stable").groupby("class", sort=False)
    shown = _readable(kept.head(n_rows))
    note = "" if len(shown) == len(found) else f"The first {n_rows:,} of each class."
    body += table(shown, label="Gene sets", marked=shown[rate] <= _MAX_FDR, note=note)
    return Section("enrichment", title, body)


def _readable(found: pd.DataFrame) -> pd.DataFrame:
    """Class and set first, long lists of genes cut."""
    dropped = [name for name in _LEFT_OUT if name in found]
    if len(set(found.get("source", []))) == 1:
        dropped.append("source")
    found = found.drop(columns=dropped)
    first = [name for name in ("class", "Term") if name in found]
    found = found[[*first, *(name for name in found.columns if name not in first)]]
    texts = [name for name in found.columns if found[name].dtype.kind not in "iuf"]
    found = found.astype(dict.fromkeys(texts, str))
    for name in _LISTS:
        if name in found:
            found = found.assign(**{name: [_cut(genes) for genes in found[name]]})
    return found


def _cut(genes: str) -> str:
    names = genes.split(";")
    more = f" and {len(names) - _MOST_GENES} more" if len(names) > _MOST_GENES else ""
    return ", ".join(names[:_MOST_GENES]) + more
