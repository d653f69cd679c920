"""What attention is worth on cells of a test set: the ladder, for both presets and all data sets.

Each preset is trained on the training cells of a split of the typing benchmark and labels its test
cells five times: with each cell's own attention maps, with the mean map of the training cells, with
another cell's, with shuffled and with uniform maps (``tgem.tl.attention_necessity``). Own less mean
is the cell-specific share, what attention knows of the single cell. In one data set the test cells
are of another laboratory than the training cells, and a split is a seed of the training::

    python benchmarks/attention_ladder.py [--data ...] [--presets ...] [--splits 5] [--seeds 10]

`--seeds` trains the default preset that many times on the first split of one data set (`--data`'s
first): how far accuracy and attributions depend on the seed. Every result is kept as soon as it
exists in ``<out>/ladder.jsonl``; the same command goes on where it was stopped. The table is
``ladder.json``, the figure ``ladder.png``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from cell_types.data import DATA, Cells, select_genes
from cell_types.intervals import resampled_mean
from cell_types.measure import append, read_records
from cell_types.methods import preset_content
from cell_types.splits import make_split
from cell_types.transformers import LABELS, as_adata, trained
from memory import largest_resident_size
from scipy.stats import spearmanr
from shared import machine
from transfers.data import PAIRS

import tgem

mpl.use("agg")
from matplotlib import pyplot as plt

CONTROL, OTHER_LABORATORY = "interactions", "kang"
TITLES = {
    CONTROL: "Simulated: products of genes only",
    OTHER_LABORATORY: "Trained on sorted PBMC, four types; tested on Kang 2018",
}
RUNGS = ("own", "mean", "other", "shuffled", "uniform")
COLORS = {"default": "#c0392b", "paper": "#34495e"}
CELLS_EXPLAINED, TOP_GENES = 200, 50


def cells_of(data: str, split: int) -> tuple[Cells, Cells]:
    """Training and test cells; those of two laboratories are the same in all splits."""
    if data == OTHER_LABORATORY:
        pair = PAIRS["kang_shared_types"]()
        return pair.training, pair.new
    if data == CONTROL:
        adata = tgem.datasets.synthetic_expression(
            3000, 200, n_causal=12, interaction_only=True, seed=100 + split
        )
        labels = adata.obs["cell_type"].astype(str).to_numpy()
        cells = Cells(adata.X, None, labels, np.arange(len(labels)).astype(str), adata.var_names)
    else:
        cells = DATA[data].read()
    parts = make_split(cells.labels, cells.groups, split)
    train, test = cells[parts.train], cells[parts.test]
    if data != CONTROL and (n_genes := DATA[data].n_selected):
        genes = select_genes(train, n_genes)
        train, test = train.of_genes(genes), test.of_genes(genes)
    return train, test


def with_labels(cells: Cells) -> Any:
    adata = as_adata(cells)
    adata.obs[LABELS] = cells.labels
    return adata


def ladder(data: str, preset: str, split: int) -> dict[str, Any]:
    """Accuracy and log-likelihood of the test cells on every rung."""
    train, test = cells_of(data, split)
    largest_resident_size(reset=True)
    start, cpu = time.perf_counter(), time.process_time()
    model = trained(train, {"preset": preset, "max_epochs": None, "validation_share": 0}, split)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    peak = largest_resident_size()
    adata = with_labels(test)
    tgem.tl.attention_necessity(adata, model, indices=range(adata.n_obs), seed=split)
    table = adata.uns["tgem_attention_necessity"]
    table = table[table["all_cells"]].drop(columns=["class", "all_cells"])
    gain = model.attention_gain
    return {
        "n_train": len(train.labels),
        "n_test": len(test.labels),
        "rungs": table.to_dict("records"),
        "attention_gain": None if gain is None else gain._asdict(),
        "train_s": seconds,
        "train_process_s": cpu_seconds,
        "train_peak_bytes": peak,
    }


def of_seed(data: str, seed: int) -> dict[str, Any]:
    """Accuracy and mean attributions of the classes, by the default preset."""
    train, test = cells_of(data, 0)
    model = trained(train, {"preset": None, "max_epochs": None, "validation_share": 0}, seed)
    adata = with_labels(test)
    accuracy = float(np.mean(model.predict(adata) == test.labels))
    some = adata[:: max(1, adata.n_obs // CELLS_EXPLAINED)].copy()
    tgem.tl.attribution(some, model, n_steps=10)
    means = some.varm["tgem_attribution"]
    return {
        "accuracy": accuracy,
        "genes": means.index.tolist(),
        "attribution": {name: means[name].round(6).tolist() for name in means},
    }


def agreement(records: list[dict[str, Any]]) -> float:
    """Median rank correlation of attributions over pairs of seeds and classes.

    Over the union of the two seeds' genes of largest mean attribution of the class.
    """
    found = []
    for one, other in combinations(records, 2):
        for name, values in one["attribution"].items():
            a, b = np.abs(values), np.abs(other["attribution"][name])
            genes = np.union1d(np.argsort(-a)[:TOP_GENES], np.argsort(-b)[:TOP_GENES])
            signed = np.asarray(values)[genes], np.asarray(other["attribution"][name])[genes]
            found.append(spearmanr(*signed).statistic)
    return float(np.nanmedian(found))


def key_of(preset: str) -> str:
    """Digest of what a preset stands for today."""
    text = json.dumps(preset_content(preset), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def summary(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean over splits of what each rung reaches, and of own less each."""
    result: dict[str, Any] = {"ladder": {}, "seeds": {}}
    for data in [CONTROL, OTHER_LABORATORY, *DATA]:
        for preset in COLORS:
            rows = [
                r
                for r in records
                if (r["kind"], r["data"], r["preset"]) == ("ladder", data, preset)
            ]
            if not rows:
                continue
            ratio = rows[0]["n_test"] / rows[0]["n_train"]
            rungs = {}
            for metric in ("accuracy", "log_likelihood"):
                for maps in RUNGS:
                    found = [
                        next(e for e in r["rungs"] if (e["maps"], e["metric"]) == (maps, metric))
                        for r in rows
                    ]
                    rungs[f"{metric} {maps}"] = {
                        "value": resampled_mean([e["value"] for e in found], ratio)._asdict(),
                        "own_minus": resampled_mean(
                            [e["own_minus"] for e in found], ratio
                        )._asdict(),
                        "bootstrap_of_first_split": [
                            found[0]["own_minus_lower"],
                            found[0]["own_minus_upper"],
                        ],
                    }
            result["ladder"].setdefault(data, {})[preset] = {
                "title": TITLES.get(data) or DATA[data].title,
                "n_splits": len(rows),
                "rungs": rungs,
                "weights": [r["attention_gain"] and r["attention_gain"]["weight"] for r in rows],
                "train_s": float(np.median([r["train_s"] for r in rows])),
                "train_process_s": float(np.median([r["train_process_s"] for r in rows])),
                "train_peak_bytes": max(r["train_peak_bytes"] for r in rows),
            }
        seeds = [r for r in records if (r["kind"], r["data"]) == ("seed", data)]
        if len(seeds) > 1:
            accuracy = [r["accuracy"] for r in seeds]
            result["seeds"][data] = {
                "n_seeds": len(seeds),
                "accuracy_mean": float(np.mean(accuracy)),
                "accuracy_sd": float(np.std(accuracy, ddof=1)),
                "attribution_rank_correlation": agreement(seeds),
            }
    return result


def draw(result: dict[str, Any], path: Path) -> None:
    """Accuracy on each rung, a panel for each data set."""
    found = result["ladder"]
    figure, grid = plt.subplots(
        1, len(found), figsize=(2.6 * len(found), 3.2), squeeze=False, layout="constrained"
    )
    for axes, presets in zip(grid[0], found.values(), strict=True):
        for offset, (preset, row) in enumerate(presets.items()):
            values = [row["rungs"][f"accuracy {maps}"]["value"] for maps in RUNGS]
            at = np.arange(len(RUNGS)) + 0.14 * (offset - 0.5)
            axes.plot(at, [v["mean"] for v in values], "o-", ms=4, lw=1, color=COLORS[preset])
            for x, value in zip(at, values, strict=True):
                if value["low"] is not None:
                    axes.plot([x, x], [value["low"], value["high"]], lw=1.4, color=COLORS[preset])
        title = next(iter(presets.values()))["title"]
        axes.set_title(
            title.replace(", ", ",\n").replace(" (", "\n(").replace(": ", ":\n"), fontsize="small"
        )
        axes.set_xticks(range(len(RUNGS)), RUNGS, rotation=45, ha="right")
        axes.set_ylim(0, 1)
        axes.grid(visible=True, axis="y", alpha=0.3)
    grid[0, 0].set_ylabel("accuracy on test cells")
    for preset, color in COLORS.items():
        grid[0, 0].plot([], [], "o-", ms=4, color=color, label=preset)
    grid[0, 0].legend(frameon=False, fontsize="small", title="preset")
    figure.supxlabel("attention maps", fontsize="small")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    real = [name for name in DATA if name not in ("synthetic", "facs_all")]
    parser.add_argument(
        "--data",
        nargs="+",
        choices=[CONTROL, OTHER_LABORATORY, *DATA],
        default=[CONTROL, OTHER_LABORATORY, *real],
    )
    parser.add_argument("--presets", nargs="+", choices=list(COLORS), default=["default", "paper"])
    parser.add_argument("--splits", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=0)
    parser.add_argument("--report", action="store_true", help="measure nothing")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "ladder.jsonl"
    jobs = [
        {"kind": "ladder", "data": data, "preset": preset, "split": split}
        for split in range(options.splits)
        for preset in options.presets
        for data in options.data
    ] + [
        {"kind": "seed", "data": options.data[0], "preset": "default", "split": seed}
        for seed in range(options.seeds)
    ]
    for job in [] if options.report else jobs:
        full = job | {"key": key_of(job["preset"])}
        if any(full.items() <= record.items() for record in read_records(path)):
            continue
        if job["kind"] == "seed":
            measured = of_seed(job["data"], job["split"])
        else:
            measured = ladder(job["data"], job["preset"], job["split"])
        append(path, full | measured)
        print(time.strftime("%H:%M:%S"), *job.values(), flush=True)
    current = [r for r in read_records(path) if r["key"] == key_of(r["preset"])]
    result = {"machine": machine("cpu"), **summary(current)}
    (options.out / "ladder.json").write_text(json.dumps(result, indent=1) + "\n")
    if result["ladder"]:
        draw(result, options.out / "ladder.png")


if __name__ == "__main__":
    main()
