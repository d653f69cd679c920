"""Data with every slot that a report shows, made up: no model is trained."""

import anndata as ad
import numpy as np
import pandas as pd

from tgem._core import keys

STRANGE = "CD4+/CD25 <T> & \"Reg\" 'naive' {{title}} </script>"
LONG = "regulation_of_very_long_names_that_nobody_shortened_" * 2 + "in_mice"


def class_names(n_classes):
    names = [STRANGE, "B cell", "CD14+ monocyte of the peripheral blood of a healthy donor"]
    return [*names, *(f"class {at}" for at in range(3, n_classes))][:n_classes]


def results(n_classes=2, *, n_obs=300, n_genes=120, n_edges=400, share=(0.02, -0.01, 0.05)):
    """AnnData with random results of `n_classes` classes; `share` is value, lower and upper."""
    generator = np.random.default_rng(0)
    classes, genes = class_names(n_classes), [f"GENE{at}" for at in range(n_genes)]
    true = np.arange(n_obs) % n_classes
    given = np.where(generator.random(n_obs) < 0.8, true, generator.integers(n_classes, size=n_obs))
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical.from_codes(true, classes),
            keys.PREDICTION.key(): pd.Categorical.from_codes(given, classes),
            keys.CONFIDENCE.key(): generator.uniform(0.4, 1, n_obs).astype(np.float32),
            keys.SPLIT.key(): pd.Categorical(
                generator.choice(["train", "validation", "test"], n_obs, p=[0.6, 0.1, 0.3])
            ),
        },
        index=[f"cell{at}" for at in range(n_obs)],
    )
    expression = generator.random((n_obs, n_genes), dtype=np.float32)
    adata = ad.AnnData(expression, obs=obs, var=pd.DataFrame(index=genes))
    centres = generator.normal(scale=5, size=(n_classes, 2))
    adata.obsm["X_umap"] = centres[true] + generator.normal(size=(n_obs, 2))
    model = {"model": "TGEM", "tgem_version": "0"}
    store(adata, keys.PREDICTION, None, model | {"classes": np.array(classes, dtype=object)})
    store(adata, keys.CONFUSION, confusion(adata, classes), {"cells": "test"})
    epochs = np.arange(20)
    history = {"train_loss": np.exp(-epochs / 5), "validation_loss": np.exp(-epochs / 7) + 0.1}
    errors = {"expected_calibration_error": 0.03, "expected_calibration_error_floor": 0.02}
    store(adata, keys.CALIBRATION, calibration(n_obs), errors | {"n_bins": 10, "cells": "test"})
    store(adata, keys.HISTORY, pd.DataFrame(history), model)
    store(adata, keys.RANKING, ranking(classes, genes, generator), {"n_genes": 20})
    store(
        adata, keys.ABLATION, ablation(n_obs), {"area_deletion": 0.2, "shuffled_correlation": 0.01}
    )
    params = {f"cell_specific_{name}": np.array(share) for name in ("accuracy", "log_likelihood")}
    store(adata, keys.ATTENTION_NECESSITY, ladder(share, n_obs), params | {"seed": 0})
    entropy = {f"layer{at}_head{head}": generator.random(n_obs) for at in (1, 2) for head in (1, 2)}
    adata.obsm[keys.ATTENTION_ENTROPY.key()] = pd.DataFrame(entropy, index=obs.index)
    network = edges(classes, genes, n_edges, generator)
    low_high = {"share_mean_low": share[1], "share_mean_high": share[2]}
    store(adata, keys.NETWORK, network, {"share_mean": share[0]} | low_high)
    store(adata, keys.HUBS, hubs(classes, genes, generator), {"null": "networks", "n_null": 20})
    store(adata, keys.ENRICHMENT, gene_sets(classes, genes), {"n_background": n_genes})
    trained = {"by": "seed", "n_runs": 10, "n_with_edges": 9, "n_hubs": 20, "seed": 0}
    shares = generator.integers(0, 10, len(network)) / 10
    again = network.assign(frequency=shares, same_sign=1.0, in_network=shares > 0.1)
    store(adata, keys.STABILITY, again, trained)
    counted = keys.HUBS.read(adata)[["class", "gene"]]
    counted = counted.assign(frequency=np.linspace(1, 0, len(counted)), mean_rank=2.5)
    store(adata, keys.STABILITY_HUBS, counted, trained)
    return adata


def store(adata, slot, value, params):
    if value is not None:
        adata.uns[slot.key()] = value
    adata.uns[slot.params_key()] = params


def confusion(adata, classes):
    counts = pd.crosstab(adata.obs["cell_type"], adata.obs[keys.PREDICTION.key()], dropna=False)
    rows = [(a, b, int(counts.loc[a, b])) for a in classes for b in classes]
    return pd.DataFrame(rows, columns=["true", "predicted", "n_cells"])


def calibration(n_obs):
    return pd.DataFrame(
        {
            "class": ["(all)", "(all)", "a"],
            "bin": [5, 9, 9],
            "confidence": [0.56, 0.97, 0.98],
            "accuracy": [0.6, 0.95, 1.0],
            "low": [0.4, 0.9, 0.9],
            "high": [0.8, 0.98, 1.0],
            "n_cells": [20, n_obs - 20, 50],
        }
    )


def ranking(classes, genes, generator):
    parts = []
    for label in classes:
        mean = np.sort(generator.pareto(2, size=20))[::-1]
        part = {"class": label, "gene": generator.choice(genes, 20, replace=False)}
        part |= {"rank": np.arange(1, 21), "mean": mean, "median": mean / 2}
        parts.append(pd.DataFrame(part | {"share_expressing": 0.5}))
    return pd.concat(parts, ignore_index=True)


def ablation(n_obs):
    fractions = np.array([0, 0.05, 0.1, 0.2])
    falls = {"largest": 3.0, "random": 1.0, "smallest": 0.1}
    parts = [
        pd.DataFrame(
            {
                "class": "all",
                "mode": "deletion",
                "order": order,
                "fraction": fractions,
                "accuracy": 0.9 - fall * fractions,
                "n_cells": n_obs,
            }
        )
        for order, fall in falls.items()
    ]
    return pd.concat(parts, ignore_index=True)


def ladder(share, n_obs):
    value, lower, upper = share
    rows = []
    for metric in ("accuracy", "log_likelihood"):
        for maps in ("own", "mean", "other", "shuffled", "uniform"):
            minus = (0.0, 0.0, 0.0) if maps == "own" else (value, lower, upper)
            rows.append(("all", maps, metric, 0.8 - minus[0], 0.75, 0.85, *minus, n_obs))
    names = ["class", "maps", "metric", "value", "lower", "upper"]
    names += ["own_minus", "own_minus_lower", "own_minus_upper", "n_cells"]
    return pd.DataFrame(rows, columns=names)


def edges(classes, genes, n_edges, generator):
    parts = []
    for label in classes:
        size = generator.pareto(1.5, size=len(genes)) + 0.1
        scores = np.outer(size, generator.permutation(size)) * generator.random((len(genes),) * 2)
        np.fill_diagonal(scores, 0)
        kept = np.argsort(scores.ravel())[-n_edges:]
        source, target = np.unravel_index(kept, scores.shape)
        part = {"class": label, "layer": generator.integers(1, 4, n_edges)}
        part |= {"source": np.array(genes)[source], "target": np.array(genes)[target]}
        sign = generator.choice([1, 1, -1], n_edges)
        part["weight"] = sign * scores.ravel()[kept] / scores.max()
        parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)


def hubs(classes, genes, generator):
    parts = []
    for label in classes:
        degree = np.sort(generator.integers(1, 40, len(genes)))[::-1]
        part = {"class": label, "gene": generator.permutation(genes), "degree": degree}
        part |= {"strength": degree * 0.1, "rank": np.arange(1, len(genes) + 1)}
        rate = np.linspace(0.001, 1, len(genes))
        parts.append(pd.DataFrame(part | {"p_value": rate / 2, "fdr": rate}))
    return pd.concat(parts, ignore_index=True)


def gene_sets(classes, genes):
    rows = []
    for at, label in enumerate(classes):
        for term, rate in ((LONG, 1e-12), (f"set <{at}> & more", 0.01), ("nothing", 0.7)):
            row = (label, "attribution", "gene_sets", term, "4/10", rate / 2, rate, 7.5, 20.0)
            rows.append((*row, ";".join(genes[:20])))
    names = ["class", "source", "Gene_set", "Term", "Overlap", "P-value", "Adjusted P-value"]
    return pd.DataFrame(rows, columns=[*names, "Odds Ratio", "Combined Score", "Genes"])
