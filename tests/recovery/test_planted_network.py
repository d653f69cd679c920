"""Networks find the planted pairs, hubs the planted regulators, and chance finds neither."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

import tgem
from tgem import net
from tgem._core.errors import AttentionWarning

QUIET = {"enable_progress_bar": False}
N_NULL = 20

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recovered():
    """Classes that differ through products of pairs alone, with the edges and the tested hubs."""
    adata = tgem.datasets.synthetic_expression(
        n_obs=1200, n_genes=100, n_classes=3, n_causal=6, interaction_only=True, seed=21
    )
    tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    model = tgem.model.TGEM(adata)
    model.train(**QUIET)
    tgem.tl.network(adata, model)
    tgem.tl.hubs(adata, model, n_permutations=N_NULL)
    return model, adata


def average_precision(matrix, pairs):
    """Of planted pairs of genes, either way round, among all pairs."""
    planted = np.zeros(matrix.shape, dtype=bool)
    planted[pairs[:, 0], pairs[:, 1]] = True
    upper = np.triu_indices(len(matrix), 1)
    return average_precision_score(
        (planted | planted.T)[upper], np.maximum(matrix, matrix.T)[upper]
    )


def test_planted_pairs_are_among_the_edges(recovered):
    _, adata = recovered
    place = adata.var_names.get_indexer
    correlation = np.abs(np.corrcoef(adata.X.toarray().T))
    truth = adata.uns["synthetic_pairs"]
    precision, baseline = [], []
    for label, edges in adata.uns["tgem_network"].groupby("class"):
        own = truth[truth["class"] == label]
        pairs = np.column_stack([place(own["regulator"]), place(own["target"])])
        weights = np.zeros((adata.n_vars, adata.n_vars))
        weights[place(edges["source"]), place(edges["target"])] = edges["weight"].abs()
        precision.append(average_precision(weights, pairs))
        baseline.append(average_precision(correlation, pairs))
    print("average precision", np.round(precision, 3), "|correlation|", np.round(baseline, 3))
    assert np.mean(precision) >= 0.5
    assert np.mean(precision) > 2 * np.mean(baseline)


def test_planted_hubs_are_significant(recovered):
    _, adata = recovered
    hubs = adata.uns["tgem_hubs"]
    significant = hubs[hubs["fdr"] <= 0.05]
    genes = adata.var.loc[significant["gene"]]
    own = (genes["causal_class"].to_numpy() == significant["class"].to_numpy()).sum()
    regulators = adata.var[adata.var["role"] == "regulator"]
    found = [
        ((significant["gene"] == gene) & (significant["class"] == label)).any()
        for gene, label in regulators["causal_class"].items()
    ]
    false = (~genes["causal"]).sum()
    print(f"{sum(found)} of {len(found)} regulators, {own} planted of {len(genes)}, {false} false")
    assert all(found)
    assert false <= max(1, 0.05 * len(significant))


def test_hubs_of_permuted_labels_are_not(recovered):
    """Each null network in place of the observed one, against the others."""
    _, adata = recovered
    null = adata.uns["tgem_hubs_null"]
    counted = pd.DataFrame(
        {
            "class": null["class"].astype(str),
            "gene": null["gene"].astype(str),
            "degree": null["out_degree"] + null["in_degree"],
            "strength": null["out_strength"] + null["in_strength"],
        }
    )
    tables = [counted[null["permutation"] == number] for number in range(N_NULL)]
    shares = []
    for number, observed in enumerate(tables):
        others = tables[:number] + tables[number + 1 :]
        found = net.compare_hubs(observed, others, statistic="strength", genes=adata.var_names)
        shares.append((found["fdr"] <= 0.05).groupby(found["class"]).mean())
    shares = pd.concat(shares)
    print(f"significant genes: {shares.mean():.4f}, most in one network {shares.max():.3f}")
    assert shares.mean() <= 0.05
    assert (shares > 0).mean() <= 0.15


def test_a_model_of_permuted_labels_has_no_significant_hub():
    adata = tgem.datasets.synthetic_expression(
        n_obs=600, n_genes=100, n_classes=3, n_causal=6, interaction_only=True, seed=22
    )
    adata.obs["cell_type"] = adata.obs["cell_type"].sample(frac=1, random_state=0).to_numpy()
    tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    model = tgem.model.TGEM(adata)
    model.train(**QUIET)
    with pytest.warns(AttentionWarning):
        tgem.tl.network(adata, model)
    with pytest.warns(AttentionWarning, match="not tested"):
        tgem.tl.hubs(adata, model)
    assert not (adata.uns["tgem_hubs"]["fdr"] <= 0.05).any()


@pytest.mark.filterwarnings("ignore::tgem._core.errors.TrainingWarning")  # classes never typed
def test_inert_attention_of_the_paper_preset_has_no_significant_hub(pbmc):
    adata = pbmc.raw.to_adata()
    adata.obs = pbmc.obs[["bulk_labels"]].copy()
    tgem.model.TGEM.setup_anndata(adata, labels_key="bulk_labels")
    model = tgem.model.TGEM(adata, preset="paper")
    model.train(**QUIET)
    with pytest.warns(AttentionWarning):
        tgem.tl.network(adata, model, indices=np.arange(0, adata.n_obs, 7))
    params = adata.uns["tgem_network_params"]
    print({name: round(float(params[name]), 5) for name in params if name.startswith("share_mean")})
    with pytest.warns(AttentionWarning, match="not tested"):
        tgem.tl.hubs(adata, model)
    assert not (adata.uns["tgem_hubs"]["fdr"] <= 0.05).any()
