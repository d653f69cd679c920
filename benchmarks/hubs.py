"""Hub genes of sorted blood cells: significance, stability, two halves, and markers.

One command trains tgem's default preset on five types of blood cells that were sorted by their
surface (1,000 genes), reads the network of genes of each type, and writes a table (JSON)::

    python benchmarks/hubs.py [--permutations 20] [--runs 10] [--seed 0] [--quick]

significance
    ``tgem.tl.hubs``: the model is trained again on permuted labels; false discovery rates.
stability
    How often a gene is among the 20 largest hubs, and an edge in the network, when the model is
    trained with other seeds.
halves
    The cells are cut into two halves, and each trains a model of its own and is read by it. Rank
    correlation of the strengths and shared genes of the 20 largest hubs; and, to say what of it
    the type makes, the same between different types of the two halves.
markers
    How many of the 20 largest hubs, and of the significant ones, are markers of the type in
    ``HumanCD45p_scseqCMs6.gmt`` and ``CellNames_scseqCMs6_sigs.gmt`` of the shared data; and how
    many twenty genes drawn from the 1,000, or the twenty most highly expressed in the type, are.

Populations are those of the sort gates, CD4 and CD8 gates each taken together; stem cells (CD34+)
are left out. **Of these cells, attention is set aside in most trainings**: it predicts no cell held
out, the classifier is linear, and there is no network to test. What is measured here is what
attention learned all the same, with weight 1 in every training; the table says how often it would
have counted. It is written after every step.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData
from cell_types.data import read_facs, select_genes
from scipy.stats import spearmanr
from shared import machine

import tgem
from tgem._core.errors import TgemWarning

if TYPE_CHECKING:
    from collections.abc import Callable

N_GENES, N_HUBS = 1000, 20
N_EDGES = 100  # of each type, whose return is counted
CELLS_READ = 200  # of each type
FALSE_DISCOVERIES = 0.05
LABELS = "type"
TYPES = {
    "CD19+ B": "B",
    "CD14+ Monocyte": "monocyte",
    "CD56+ NK": "NK",
    "CD4+ T Helper2": "CD4 T",
    "CD4+/CD45RO+ Memory": "CD4 T",
    "CD4+/CD25 T Reg": "CD4 T",
    "CD4+/CD45RA+/CD25- Naive T": "CD4 T",
    "CD8+ Cytotoxic T": "CD8 T",
    "CD8+/CD45RA+ Naive Cytotoxic": "CD8 T",
}
#: sets of genes that name a type, without the prefix of their file
MARKERS = {
    "B": ("Bcells", "NaiveB", "MemB", "Bcell", "Blymphocyte", "NaiBcell", "MemBcell"),
    "NK": ("NKcells", "NKcyt", "NKnai", "NKcell", "CD56dimNK", "CD56brightNK"),
    "monocyte": ("Monocytes", "Mo14", "Mo16", "Monocyte", "ClassMonocyte", "NClassMonocyte"),
}
GENE_SETS = ("HumanCD45p_scseqCMs6.gmt", "CellNames_scseqCMs6_sigs.gmt")
QUIET = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}


class Sizes(NamedTuple):
    """How much is trained."""

    n_permutations: int
    n_runs: int
    max_epochs: int | None = None


def sorted_cells() -> AnnData:
    """Log-normalised expression of the most variable genes; nothing but variance chooses them."""
    cells = read_facs()
    cells = cells[np.flatnonzero(np.isin(cells.labels, list(TYPES)))]
    cells = cells.of_genes(select_genes(cells, N_GENES))
    obs = pd.DataFrame(
        {LABELS: pd.Categorical([TYPES[name] for name in cells.labels])},
        index=[f"cell{i}" for i in range(len(cells.labels))],
    )
    return AnnData(cells.dense(), obs, pd.DataFrame(index=cells.genes))


def simulated_cells() -> AnnData:
    """A few simulated cells, to try the command."""
    adata = tgem.datasets.synthetic_expression(
        n_obs=500, n_genes=30, n_classes=2, n_causal=6, n_decoys=4, interaction_only=True
    )
    adata.obs[LABELS] = adata.obs["cell_type"].astype(str).astype("category")
    return adata


def trained(adata: AnnData, sizes: Sizes, seed: int) -> tgem.model.TGEM:
    tgem.model.TGEM.setup_anndata(adata, labels_key=LABELS)
    model = tgem.model.TGEM(adata)
    model.train(sizes.max_epochs, seed=seed, **QUIET)
    return model


def counted(model: tgem.model.TGEM) -> dict[str, Any] | None:
    """Give attention weight 1; return what cells held out made of it."""
    gain = model.attention_gain
    model.module.weigh_contexts()
    return None if gain is None else gain._asdict()


def cells_to_read(adata: AnnData, seed: int) -> list[int]:
    """As many cells of each type, drawn at random."""
    generator = np.random.default_rng(seed)
    labels = adata.obs[LABELS].to_numpy()
    drawn = [
        generator.permutation(np.flatnonzero(labels == name))[:CELLS_READ]
        for name in np.unique(labels)
    ]
    return sorted(np.concatenate(drawn).tolist())


def halves(adata: AnnData, seed: int) -> tuple[AnnData, AnnData]:
    """Two halves without a common cell, types in equal shares."""
    generator = np.random.default_rng([seed, 1])
    side = np.zeros(adata.n_obs, dtype=int)
    for name in adata.obs[LABELS].cat.categories:
        cells = generator.permutation(np.flatnonzero(adata.obs[LABELS] == name))
        side[cells[: len(cells) // 2]] = 1
    return adata[side == 0].copy(), adata[side == 1].copy()


def with_network(
    adata: AnnData, sizes: Sizes, seed: int
) -> tuple[tgem.model.TGEM, dict[str, Any] | None]:
    """Train, and write network and hubs; return what cells held out made of attention."""
    model = trained(adata, sizes, seed)
    gain = counted(model)
    tgem.tl.network(adata, model, indices=cells_to_read(adata, seed))
    tgem.tl.hubs(adata)
    return model, gain


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


def markers() -> dict[str, set[str]]:
    """Markers of three types, from the gene sets beside the project."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TGEM_SHARED_DATA", default)) / "genesets"
    found: dict[str, set[str]] = {name: set() for name in MARKERS}
    for file in GENE_SETS:
        for line in (folder / file).read_text(encoding="utf-8").splitlines():
            name, _, *genes = line.split("\t")
            for kind, names in MARKERS.items():
                if name.rsplit("_", maxsplit=1)[-1] in names:
                    found[kind] |= {gene for gene in genes if gene}
    return found


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


def measure_stability(
    adata: AnnData, model: tgem.model.TGEM, sizes: Sizes, seed: int
) -> dict[str, Any]:
    """How often the largest hubs and the strongest edges come back with other seeds."""
    gains, networks = [], []
    for number in range(sizes.n_runs):
        other = model.retrained(seed=1000 * (seed + 1) + number)
        gains.append(counted(other))
        cells = cells_to_read(adata, seed)
        networks.append(other.get_network(adata, cells))
        print(f"trained with another seed: {number + 1} of {sizes.n_runs}", flush=True)
    edges, found = tgem.net.stability(networks, n_hubs=N_HUBS)
    frequency = {}
    for name, values in strengths(adata).items():
        often = found[found["class"] == name].set_index("gene")["frequency"]
        frequency[name] = often.reindex(largest(values), fill_value=0.0).tolist()
    keys = ["class", "layer", "source", "target"]
    network = adata.uns["tgem_network"]
    order = network["weight"].abs().sort_values(ascending=False).index
    strongest = network.loc[order].groupby("class", observed=True).head(N_EDGES)
    both = strongest.merge(edges[[*keys, "frequency"]], on=keys, how="left")
    both["frequency"] = both["frequency"].fillna(0.0)
    return {
        "attention_gain": gains,
        "frequency_of_largest_hubs": frequency,
        "frequency_of_strongest_edges": both.groupby("class", observed=True)["frequency"]
        .mean()
        .to_dict(),
    }


def share_of(adata: AnnData) -> dict[str, Any]:
    """Share of the decision that the cells' own attention carries, as the network states it."""
    params = adata.uns["tgem_network_params"]
    return {key: params[key] for key in params if key.startswith("share")}


def compared_halves(adata: AnnData, sizes: Sizes, seed: int) -> dict[str, Any]:
    """A model of each half."""
    parts = halves(adata, seed)
    gains = [with_network(part, sizes, seed)[1] for part in parts]
    return {"attention_gain": gains, "hubs": agreement(*parts)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--permutations", type=int, default=20, help="trainings of the null")
    parser.add_argument("--runs", type=int, default=10, help="trainings with other seeds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="simulated cells, few trainings")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # notes on hardware
    quick = options.quick
    sizes = Sizes(2, 2, 10) if quick else Sizes(options.permutations, options.runs)
    adata = simulated_cells() if quick else sorted_cells()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "hubs.json"
    result: dict[str, Any] = {
        "machine": machine("cpu"),
        "n_obs": adata.n_obs,
        "n_genes": adata.n_vars,
        "sizes": adata.obs[LABELS].value_counts().to_dict(),
        "n_permutations": sizes.n_permutations,
        "seed": options.seed,
    }

    def keep(step: str, measured: Callable[[], Any]) -> None:
        result[step] = measured()
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(f"measured: {step}", flush=True)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TgemWarning)  # the table says what they say
        model, gain = with_network(adata, sizes, options.seed)
        keep("attention_gain", lambda: gain)
        keep("share", lambda: share_of(adata))
        keep("halves", lambda: compared_halves(adata, sizes, options.seed))
        tgem.tl.hubs(adata, model, n_permutations=sizes.n_permutations, seed=options.seed)
        known = {} if quick else markers()
        types = adata.obs[LABELS].cat.categories
        keep("types", lambda: {name: of_type(adata, name, known.get(name)) for name in types})
        keep("stability", lambda: measure_stability(adata, model, sizes, options.seed))
    print(f"written: {path}")


if __name__ == "__main__":
    main()
