"""Planted regulation is told from the counting of isoforms, whatever expression confounds."""

import warnings

import numpy as np
import pandas as pd
import pytest

import tgem
from tgem._core.errors import RegulationWarning
from tgem.model import DeepSF

# mudata announces changes of its own
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:mudata")
SLOT = "deepsf_regulation_evaluation"


def planted(mdata):
    """Genes x factors: 1 where the factor switches isoforms of the gene."""
    truth = mdata.uns["synthetic_splicing_truth"]
    table = pd.crosstab(truth["gene"], truth["source"]).clip(upper=1)
    return table.reindex(mdata["gene"].var_names).fillna(0)


def counting(mdata, factors, seed):
    """Number of isoforms and the gene's expression, with noise."""
    gene = mdata["gene"]
    known = np.log(gene.var["n_isoforms"].to_numpy()) + 0.2 * np.log1p(gene.X.mean(axis=0))
    noise = np.random.default_rng(seed).normal(scale=0.3, size=(len(known), len(factors)))
    return pd.DataFrame(known[:, None] + noise, gene.var_names, factors)


def evaluated(mdata, evidence, scores):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RegulationWarning)
        found = tgem.tl.evaluate_regulation(
            mdata, evidence, scores=scores, n_permutations=199, n_bootstrap=100, copy=True
        )
    table = found.uns[SLOT].set_index(["measure", "level"])
    print(found.uns[f"{SLOT}_params"]["verdict"])
    return found.uns[f"{SLOT}_params"]["reading"], table["auc"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_model_is_praised_and_counting_is_not(seed):
    mdata = tgem.datasets.synthetic_splicing(
        n_obs=300, n_factors=30, n_isoforms=1200, confounded=True, seed=seed
    )
    evidence = planted(mdata)
    reading, areas = evaluated(mdata, evidence, counting(mdata, evidence.columns, seed))
    assert areas["score", "all"] > 0.6
    assert reading == "explained by its baselines"
    DeepSF.setup_mudata(mdata)
    model = DeepSF(mdata)
    model.train(enable_progress_bar=False)
    tgem.tl.regulation(mdata, model)
    reading, areas = evaluated(mdata, evidence, "rms")
    assert reading == "adds to its baselines"
    assert areas["score", "within_gene"] > 0.9


@pytest.mark.slow
def test_verdicts_on_scores_that_know_nothing_are_rarely_praise():
    """Of scores made of baselines and noise, at most the share that the tests allow is praised."""
    mdata = tgem.datasets.synthetic_splicing(n_obs=60, n_factors=12, n_isoforms=500, seed=5)
    evidence = planted(mdata)
    readings = [
        evaluated(mdata, evidence, counting(mdata, evidence.columns, seed))[0] for seed in range(40)
    ]
    assert readings.count("adds to its baselines") <= 2
