"""The demonstration: from a scanpy data set to typed, explained cells, metrics and figures."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import scanpy as sc
from matplotlib import pyplot as plt
from rich.console import Console
from rich.table import Table
from sklearn import metrics
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tgem import datasets, pl, tl
from tgem._report import report
from tgem.model import TGEM

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

LABELS = "bulk_labels"
FIGURES = ("confusion", "training", "top_genes", "enrichment", "umap")
PAGE = "report.html"
SCORES = ("accuracy", "balanced_accuracy", "macro_f1", "mcc")
TGEM_ROW, BASELINE_ROW = "T-GEM", "logistic regression"


def run(out: Path, *, seed: int) -> None:
    """Type the cells, write everything into `out`, and say where it is."""
    console = Console()
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # notes on hardware
    out.mkdir(parents=True, exist_ok=True)
    mpl.use("agg")

    # log-normalised values are in .raw; .X is z-scored
    adata = sc.datasets.pbmc68k_reduced()
    console.print(
        f"[bold]1/4[/] {adata.n_obs} blood cells of {adata.obs[LABELS].nunique()} types, "
        f"{adata.raw.n_vars} genes (scanpy's pbmc68k_reduced)"
    )
    TGEM.setup_anndata(adata, labels_key=LABELS, use_raw=True)
    model = TGEM(adata)
    console.print("[bold]2/4[/] Training on 72 % of the cells, 8 % to watch, 20 % held out")
    model.train(
        train_size=0.72,
        validation_size=0.08,
        seed=seed,
        enable_progress_bar=console.is_terminal,
    )
    console.print(f"[bold]3/4[/] {model!r}".replace("\n", "; "), soft_wrap=True)
    scores = _scores(adata, model, seed=seed)
    console.print("[bold]4/4[/] Which genes decided, and what they stand for")
    tl.predict(adata, model)
    tl.confusion(adata, model)
    tl.calibration(adata, model)
    tl.history(adata, model)
    tl.attribution(adata, model)
    tl.rank_genes(adata, n_genes=20)
    tl.attention_necessity(adata, model)
    tl.enrich(adata, datasets.immune_markers(), n_genes=20, min_size=2)

    _draw(adata, out)
    report(adata, out / PAGE, labels_key=LABELS, title="700 blood cells, typed by T-GEM")
    adata.write_h5ad(_storable(adata, out))
    model.save(out / "model", overwrite=True)
    (out / "metrics.json").write_text(json.dumps(scores, indent=2) + "\n")
    _report(console, scores, adata, out)


def _scores(adata: AnnData, model: TGEM, *, seed: int) -> dict[str, Any]:
    """Test metrics of T-GEM and of logistic regression on the same training and test cells."""
    test, train = model.test_indices, model.train_indices
    evaluated = model.evaluate()
    expression, labels = adata.raw.X, adata.obs[LABELS].to_numpy().astype(str)
    baseline = make_pipeline(
        StandardScaler(with_mean=False), LogisticRegression(max_iter=1000, random_state=seed)
    ).fit(expression[train], labels[train])
    true, predicted = labels[test], baseline.predict(expression[test])
    return {
        "data": "pbmc68k_reduced",
        "seed": seed,
        "n_train": len(train),
        "n_validation": len(model.validation_indices),
        "n_test": len(test),
        TGEM_ROW: {name: evaluated[name] for name in SCORES},
        BASELINE_ROW: {
            "accuracy": float(metrics.accuracy_score(true, predicted)),
            "balanced_accuracy": float(metrics.balanced_accuracy_score(true, predicted)),
            "macro_f1": float(metrics.f1_score(true, predicted, average="macro", zero_division=0)),
            "mcc": float(metrics.matthews_corrcoef(true, predicted)),
        },
    }


def _draw(adata: AnnData, out: Path) -> None:
    pl.confusion(adata, show=False, save=out / "confusion.png")
    pl.history(adata, show=False, save=out / "training.png")
    pl.attribution(adata, show=False, save=out / "top_genes.png")
    pl.enrich(adata, show=False, save=out / "enrichment.png")
    figure, panels = plt.subplots(2, 1, figsize=(8.5, 10), layout="constrained")
    for panel, (key, title) in zip(
        panels,
        [(LABELS, "Given labels"), ("tgem_prediction", "Predicted by T-GEM")],
        strict=True,
    ):
        sc.pl.umap(adata, color=key, ax=panel, show=False, title=title, frameon=False)
    figure.savefig(out / "umap.png", dpi=150)
    plt.close("all")


def _storable(adata: AnnData, out: Path) -> Path:
    """Drop scanpy's own ranking: its column names hold the slashes of the labels."""
    del adata.uns["rank_genes_groups"]
    return out / "pbmc68k_typed.h5ad"


def _report(console: Console, scores: dict[str, Any], adata: AnnData, out: Path) -> None:
    table = Table(title=f"{scores['n_test']} held-out cells")
    for column in ("", *SCORES):
        table.add_column(column.replace("_", " "), justify="left" if not column else "right")
    for row in (TGEM_ROW, BASELINE_ROW):
        table.add_row(row, *(f"{scores[row][name]:.3f}" for name in SCORES))
    console.print(table)
    means = adata.varm["tgem_attribution"]
    for label in ("CD19+ B", "CD56+ NK", "CD14+ Monocyte"):
        genes = means[label].nlargest(8).index
        console.print(f"{label}: [bold]{', '.join(genes)}[/]")
    written = [
        PAGE,
        "pbmc68k_typed.h5ad",
        "metrics.json",
        "model/",
        *(f"{name}.png" for name in FIGURES),
    ]
    console.print(f"\nWritten to {out}: {', '.join(written)}", soft_wrap=True)
    typed = out / "pbmc68k_typed.h5ad"
    console.print(
        f"\nNext: open {out / PAGE} in a browser, or\n"
        f"  python -c \"import scanpy as sc; print(sc.read_h5ad('{typed}'))\"\n"
        f"  python -c \"from tgem.model import TGEM; print(TGEM.load('{out / 'model'}'))\"\n"
        "  tgem --help",
        soft_wrap=True,
        markup=False,
        highlight=False,
    )
