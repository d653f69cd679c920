"""Planted regulation is found, and better than correlation and ridge regression find it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.metrics import average_precision_score, roc_auc_score

import tgem
from tgem.model import DeepSF

# mudata announces changes of its own
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:mudata")


def planted(mdata, model):
    """Whether each pair of factor and isoform is a planted edge."""
    truth = mdata.uns["synthetic_splicing_truth"]
    edges = np.zeros((len(model.factor_names), len(model.isoform_names)), bool)
    edges[
        model.factor_names.get_indexer(truth["source"]),
        model.isoform_names.get_indexer(truth["target"]),
    ] = True
    return edges


def within_gene(scores, edges, genes):
    """Mean over genes of the area under the curve of their pairs."""
    areas = []
    for gene in pd.unique(genes):
        own = edges[:, genes == gene].ravel()
        if 0 < own.sum() < own.size:
            areas.append(roc_auc_score(own, scores[:, genes == gene].ravel()))
    return np.mean(areas)


def within_gene_logs(tpm, genes, pseudo):
    """Logarithms less their mean over the gene."""
    logs = pd.DataFrame(np.log(tpm + pseudo).T)
    return (logs - logs.groupby(np.asarray(genes)).transform("mean")).to_numpy().T


def baselines(mdata, model):
    """Correlation and ridge regression on usage, each in several ways; all samples are read.

    The penalty of ridge regression is chosen for each isoform by leave-one-out; its coefficients
    are taken as they are, and in units of the isoform's residual.
    """
    levels = np.log2(1 + mdata["gene"][:, model.factor_names].X.astype(float))
    factors = (levels - levels.mean(0)) / levels.std(0)
    tpm = mdata["isoform"][:, model.isoform_names].X.astype(float)
    usage = tpm / np.maximum(mdata["gene"][:, model.isoform_genes].X, 1e-9)
    targets = {
        "usage": usage,
        "logit of usage": np.log((usage + 0.01) / (1 - usage + 0.01)),
        "log-ratio, pseudo-count 0.1": within_gene_logs(tpm, model.isoform_genes, 0.1),
        "log-ratio, pseudo-count 1": within_gene_logs(tpm, model.isoform_genes, 1.0),
    }
    found = {}
    for name, values in targets.items():
        ridge = RidgeCV(np.logspace(-1, 4, 11), alpha_per_target=True).fit(factors, values)
        deviation = np.maximum((values - ridge.predict(factors)).std(0), 1e-9)
        standardized = (values - values.mean(0)) / np.maximum(values.std(0), 1e-9)
        found[f"correlation, {name}"] = np.abs(factors.T @ standardized)
        found[f"ridge, {name}"] = np.abs(ridge.coef_.T)
        found[f"ridge, {name}, by residual"] = np.abs(ridge.coef_.T) / deviation
    return found


def bootstrapped_difference(scores, other, *, edges, genes, n_samples=200):
    """Percentiles of the difference in average precision, genes drawn with replacement."""
    generator = np.random.default_rng(0)
    names = pd.unique(genes)
    columns = {name: np.flatnonzero(genes == name) for name in names}
    differences = []
    for _ in range(n_samples):
        drawn = np.concatenate([columns[name] for name in generator.choice(names, len(names))])
        truth = edges[:, drawn].ravel()
        differences.append(
            average_precision_score(truth, scores[:, drawn].ravel())
            - average_precision_score(truth, other[:, drawn].ravel())
        )
    return np.percentile(differences, [2.5, 97.5])


def trained(*, train_size=1.0, validation_size=0.0, **options):
    """On all samples, as what it is compared with; `options` are those of the simulation."""
    mdata = tgem.datasets.synthetic_splicing(**options)
    DeepSF.setup_mudata(mdata)
    model = DeepSF(mdata)
    model.train(train_size=train_size, validation_size=validation_size, enable_progress_bar=False)
    return mdata, model


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_planted_edges_are_found(seed):
    """Better than by the best correlation and ridge regression, on seeds not tuned on."""
    mdata, model = trained(n_obs=500, n_factors=50, n_isoforms=2000, seed=seed)
    edges, genes = planted(mdata, model), np.asarray(model.isoform_genes)
    scores = np.abs(model.get_regulation().effect)
    precision = average_precision_score(edges.ravel(), scores.ravel())
    within = within_gene(scores, edges, genes)
    print(f"DeepSF: average precision {precision:.3f}, within genes {within:.3f}")
    found = baselines(mdata, model)
    theirs = {k: average_precision_score(edges.ravel(), v.ravel()) for k, v in found.items()}
    for family in ("correlation", "ridge"):
        name = max((name for name in theirs if name.startswith(family)), key=theirs.__getitem__)
        low, high = bootstrapped_difference(scores, found[name], edges=edges, genes=genes)
        print(
            f"{name}: average precision {theirs[name]:.3f}, within genes "
            f"{within_gene(found[name], edges, genes):.3f}, difference in average precision "
            f"{low:.3f} to {high:.3f}"
        )
        assert low > 0, name
    assert precision >= 0.8
    assert within >= 0.9


def test_a_small_panel_is_found_in_spite_of_confounding():
    mdata, model = trained(n_obs=250, n_factors=8, n_isoforms=150, seed=3)
    edges, genes = planted(mdata, model), np.asarray(model.isoform_genes)
    scores = np.abs(model.get_regulation().effect)
    assert within_gene(scores, edges, genes) > 0.85
    levels = np.log2(1 + mdata["gene"][:, model.factor_names].X)
    isoforms = np.log2(1 + mdata["isoform"][:, model.isoform_names].X)
    naive = np.abs(np.corrcoef(levels.T, isoforms.T)[:8, 8:])
    precision = average_precision_score(edges.ravel(), scores.ravel())
    assert precision > average_precision_score(edges.ravel(), np.nan_to_num(naive).ravel()) + 0.2


def test_without_regulation_nothing_is_found():
    mdata, model = trained(
        n_obs=250, n_factors=8, n_isoforms=150, effect=0.0, train_size=0.7, seed=3
    )
    assert len(mdata.uns["synthetic_splicing_truth"]) == 0
    assert model.evaluate()["usage_r2"] < 0.05
