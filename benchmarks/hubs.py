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
are left out. **Of these cells, attention is set aside in about half of the trainings**: it predicts
no cell held out, the classifier is linear, and there is no network to test. What is measured here
is what attention learned all the same, with weight 1 in every training; the table says how often it
would have counted. It is written after every step.
"""

from __future__ import annotations

import argparse
import json
import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gene_hubs.cells import LABELS, cells_to_read, halves, simulated_cells, sorted_cells
from gene_hubs.markers import markers
from gene_hubs.tables import N_HUBS, agreement, largest, of_type, strengths
from shared import machine

import tgem
from tgem._core.errors import TgemWarning

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData

N_EDGES = 100  # of each type, whose return is counted
QUIET = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}


class Sizes(NamedTuple):
    """How much is trained."""

    n_permutations: int
    n_runs: int
    max_epochs: int | None = None


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


def with_network(
    adata: AnnData, sizes: Sizes, seed: int
) -> tuple[tgem.model.TGEM, dict[str, Any] | None]:
    """Train, and write network and hubs; return what cells held out made of attention."""
    model = trained(adata, sizes, seed)
    gain = counted(model)
    tgem.tl.network(adata, model, indices=cells_to_read(adata, seed))
    tgem.tl.hubs(adata)
    return model, gain


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
