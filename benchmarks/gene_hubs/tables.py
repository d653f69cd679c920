"""What is said of hubs: the largest, the significant, and those that two halves share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scipy.stats import spearmanr

from gene_hubs.cells import LABELS

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

N_HUBS = 20
FALSE_DISCOVERIES = 0.05


def strengths(adata: AnnData) -> dict[str, pd.Series[float]]:
    """Strength of all genes in the network of each type; 0 without an edge."""
    table = adata.uns["tgem_hubs"]
    genes = adata.var_names
    return {
        str(name): part.set_index("gene")["strength"].reindex(genes, fill_value=0.0)
        for name, part in table.groupby("class", observed=True)
    }


def largest(values: pd.Series[float]) -> list[str]:
    return [str(gene) for gene in values[values > 0].nlargest(N_HUBS).index]


def agreement(one: AnnData, other: AnnData) -> list[dict[str, Any]]:
    """Hubs of each type of one half against those of each type of the other."""
    first, second = strengths(one), strengths(other)
    rows = []
    for a, x in first.items():
        for b, y in second.items():
            top = sorted({*largest(x), *largest(y)})
            rows.append(
                {
                    "type": a,
                    "type_of_other_half": b,
                    "rank_correlation": float(spearmanr(x, y).statistic),
                    "shared_of_largest": len({*largest(x)} & {*largest(y)}),
                    "n_in_either": len(top),
                }
            )
    return rows


def of_type(adata: AnnData, name: str, known: set[str] | None) -> dict[str, Any]:
    """The largest hubs of a type, and what is known of them."""
    table = adata.uns["tgem_hubs"]
    part = table[table["class"] == name].sort_values("rank").set_index("gene")
    top = [str(gene) for gene in part.index[:N_HUBS]]
    significant = [str(gene) for gene in part.index[part["fdr"] <= FALSE_DISCOVERIES]]
    columns = ["degree", "strength", "p_value", "fdr"]
    row: dict[str, Any] = {
        "largest": part.loc[top, columns].reset_index().to_dict("records"),
        "significant": significant,
        "largest_significant": len(set(top) & set(significant)),
    }
    if known is not None:
        level = adata[adata.obs[LABELS] == name].to_df().mean().nlargest(N_HUBS).index
        in_data = known & set(adata.var_names)
        row["markers"] = {
            "n_known": len(in_data),
            "among_largest": sorted(known & set(top)),
            "among_significant": sorted(known & set(significant)),
            "among_most_expressed": sorted(known & set(level)),
            "expected_by_chance": N_HUBS * len(in_data) / adata.n_vars,
        }
    return row
