"""A score of regulation beside evidence and baselines: what is praised, and what is refused."""

import mudata
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

import tgem
from tgem import net
from tgem._core.errors import RegulationWarning
from tgem.net._added_information import gene_folds, out_of_fold_logits, score_features
from tgem.net._evaluated_pairs import evaluated_pairs
from tgem.net._evidence import evidence_table

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:mudata")

FAST = {"n_permutations": 99, "n_bootstrap": 50}
SLOT = "deepsf_regulation_evaluation"


@pytest.fixture(scope="module")
def splicing():
    """Confounded expression, and genes of many isoforms with many regulators."""
    return tgem.datasets.synthetic_splicing(n_obs=150, n_factors=15, n_isoforms=700, seed=4)


@pytest.fixture(scope="module")
def evidence(splicing):
    truth = splicing.uns["synthetic_splicing_truth"]
    table = pd.crosstab(truth["gene"], truth["source"]).clip(upper=1)
    return table.reindex(splicing["gene"].var_names).fillna(0)


def counting(mdata, seed=0):
    """Noise, added up over as many isoforms as the gene has."""
    generator = np.random.default_rng(seed)
    gene = mdata["gene"].var
    factors = gene.index[gene["splicing_factor"]]
    sums = [np.abs(generator.normal(size=(n, len(factors)))).sum(0) for n in gene["n_isoforms"]]
    return pd.DataFrame(sums, gene.index, factors)


def true_and_noisy(evidence, seed=0):
    noise = np.random.default_rng(seed).normal(size=evidence.shape)
    return 1.5 * evidence + noise


def melted(table, name):
    """One row for each pair of gene and factor."""
    table = table.rename_axis(index="gene", columns="factor").reset_index()
    return table.melt(id_vars="gene", value_name=name)


def areas(mdata, measure="score"):
    table = mdata.uns[SLOT]
    return table[table["measure"] == measure].set_index("level")["auc"]


# -- what it says --------------------------------------------------------------------------------


def test_counting_isoforms_is_called_worthless(splicing, evidence):
    with pytest.warns(RegulationWarning, match="Explained by its baselines"):
        found = tgem.tl.evaluate_regulation(
            splicing, evidence, scores=counting(splicing), copy=True, **FAST
        )
    score = areas(found)
    assert score["all"] > 0.6  # what would have been published
    assert areas(found, "n_isoforms")["all"] > 0.6
    assert abs(score["within_gene"] - 0.5) < 0.1
    assert "Do not read the score as regulation" in found.uns[f"{SLOT}_params"]["verdict"]


def test_the_truth_with_noise_is_called_good(splicing, evidence):
    found = tgem.tl.evaluate_regulation(
        splicing, evidence, scores=true_and_noisy(evidence), copy=True, **FAST
    )
    assert found.uns[f"{SLOT}_params"]["reading"] == "adds to its baselines"
    assert areas(found)["within_gene"] > 0.7
    gain = found.uns[f"{SLOT}_added"].set_index("metric")
    assert (gain["gain_lower"] > 0).all()


def test_a_baseline_adds_nothing_to_itself(splicing, evidence):
    genes, factors = evidence.index, evidence.columns
    values = np.log2(1 + splicing["gene"][:, list(genes)].X).astype(float)
    levels = np.log2(1 + splicing["gene"][:, list(factors)].X).astype(float)
    correlation = np.corrcoef(values.T, levels.T)[: len(genes), len(genes) :]
    table = pd.DataFrame(np.abs(np.nan_to_num(correlation)), genes, factors)
    with pytest.warns(RegulationWarning):
        found = tgem.tl.evaluate_regulation(splicing, evidence, scores=table, copy=True, **FAST)
    pd.testing.assert_series_equal(
        areas(found), areas(found, "gene_correlation"), rtol=1e-4, check_names=False
    )
    own = found.uns[SLOT].query("measure == 'gene_correlation'")
    np.testing.assert_allclose(own["score_minus"], 0, atol=1e-4)
    assert found.uns[f"{SLOT}_params"]["reading"] != "adds to its baselines"


def test_noise_is_no_better_than_chance(splicing, evidence):
    noise = pd.DataFrame(
        np.random.default_rng(1).normal(size=evidence.shape), evidence.index, evidence.columns
    )
    with pytest.warns(RegulationWarning, match="No better than chance"):
        tgem.tl.evaluate_regulation(splicing, evidence, scores=noise, copy=True, **FAST)


def test_knowing_the_gene_is_not_knowing_the_factor(splicing, evidence):
    """The number of a gene's regulators, which no baseline knows, is the same for all factors."""
    number = evidence.sum(axis=1).to_numpy()[:, None]
    noise = 0.1 * np.random.default_rng(0).normal(size=evidence.shape)
    scores = pd.DataFrame(number + noise, evidence.index, evidence.columns)
    with pytest.warns(RegulationWarning, match="Does not tell factors apart"):
        found = tgem.tl.evaluate_regulation(splicing, evidence, scores=scores, copy=True, **FAST)
    assert areas(found)["all"] > 0.8


@pytest.mark.parametrize("n_permutations", [20, 58])
def test_few_permutations_are_no_verdict(splicing, evidence, n_permutations):
    """The truth is called neither chance nor good where no p-value could be small enough."""
    options = {"scores": true_and_noisy(evidence), "copy": True, "n_bootstrap": 50}
    with pytest.warns(RegulationWarning, match="Too few permutations.*at least 59"):
        found = tgem.tl.evaluate_regulation(
            splicing, evidence, n_permutations=n_permutations, **options
        )
    assert found.uns[f"{SLOT}_params"]["reading"] == "too few permutations"
    found = tgem.tl.evaluate_regulation(splicing, evidence, n_permutations=59, **options)
    assert found.uns[f"{SLOT}_params"]["reading"] == "adds to its baselines"


def test_little_evidence_is_not_judged(splicing, evidence):
    few = evidence.where(evidence.cumsum().cumsum(axis=1) <= 1, 0).iloc[:, :3]
    assert 0 < few.to_numpy().sum() < 10
    with pytest.warns(RegulationWarning, match="Too little evidence"):
        found = tgem.tl.evaluate_regulation(
            splicing, few, scores=true_and_noisy(evidence), copy=True, **FAST
        )
    assert "AUC" not in found.uns[f"{SLOT}_params"]["verdict"]


# -- numbers -------------------------------------------------------------------------------------


def test_areas_of_all_pairs_genes_and_factors_are_scikit_learns(splicing, evidence):
    scores = true_and_noisy(evidence)
    found = tgem.tl.evaluate_regulation(splicing, evidence, scores=scores, copy=True, **FAST)
    long = melted(scores, "score").merge(melted(evidence, "label"))
    long = long[long["gene"] != long["factor"]]
    table = found.uns[SLOT].query("measure == 'score'").set_index("level")
    assert table.loc["all", "auc"] == pytest.approx(roc_auc_score(long["label"], long["score"]))
    precision = average_precision_score(long["label"], long["score"])
    assert table.loc["all", "average_precision"] == pytest.approx(precision)
    assert table.loc["all", "base_rate"] == pytest.approx(long["label"].mean())
    groups = found.uns[f"{SLOT}_groups"].query("measure == 'score'")
    for level, name in (("within_gene", "gene"), ("within_factor", "factor")):
        own = groups[groups["level"] == level].set_index("group")
        assert len(own) == table.loc[level, "n_groups"]
        for label, rows in list(long.groupby(name)):
            if rows["label"].nunique() == 2:
                expected = roc_auc_score(rows["label"], rows["score"])
                assert own.loc[label, "auc"] == pytest.approx(expected)
    counts = (long["label"].sum(), len(long), 15)
    params = found.uns[f"{SLOT}_params"]
    assert (params["n_positive"], params["n_pairs"], params["n_own"]) == counts


def test_baselines_are_what_their_names_say(splicing, evidence):
    found = tgem.tl.evaluate_regulation(
        splicing, evidence, scores=true_and_noisy(evidence), copy=True, **FAST
    )
    gene, isoform = splicing["gene"], splicing["isoform"]
    keep = evidence.index.to_numpy()[:, None] != evidence.columns.to_numpy()
    levels = pd.DataFrame(np.log2(1 + gene.X.astype(float)), columns=gene.var_names)
    of_isoforms = np.log2(1 + isoform.X.astype(float))
    factors = levels[evidence.columns].to_numpy()
    n_factors = factors.shape[1]
    correlation = np.abs(np.nan_to_num(np.corrcoef(of_isoforms.T, factors.T)))
    by_gene = pd.DataFrame(correlation[:-n_factors, -n_factors:]).groupby(
        isoform.var["gene_id"].to_numpy()
    )
    tables = {
        "n_isoforms": gene.var["n_isoforms"].to_numpy(float)[:, None] + np.zeros(keep.shape),
        "gene_expression": levels.mean().to_numpy()[:, None] + np.zeros(keep.shape),
        "factor_expression": factors.mean(0) + np.zeros(keep.shape),
        "isoform_correlation": by_gene.max().loc[evidence.index].to_numpy(),
    }
    for name, values in tables.items():
        expected = roc_auc_score(evidence.to_numpy()[keep], values[keep])
        assert areas(found, name)["all"] == pytest.approx(expected, abs=1e-6), name


def test_scores_of_the_model_are_read(splicing, evidence):
    model = trained_model(splicing)
    written = tgem.tl.regulation(splicing, model, copy=True)
    tgem.tl.evaluate_regulation(written, evidence, **FAST)
    rms = written.uns[SLOT].copy()
    assert written.uns[f"{SLOT}_params"]["reading"] == "adds to its baselines"
    by_gene = model.get_regulation().by_gene("rms").T
    labels = evidence.loc[by_gene.index, by_gene.columns].to_numpy().ravel()
    expected = roc_auc_score(labels, by_gene.to_numpy().ravel())
    assert areas(written)["all"] == pytest.approx(expected, abs=1e-4)
    tgem.tl.evaluate_regulation(written, evidence, scores="max", **FAST)
    assert not rms["auc"].equals(written.uns[SLOT]["auc"])


def trained_model(splicing):
    tgem.model.DeepSF.setup_mudata(splicing)
    model = tgem.model.DeepSF(splicing)
    model.train(max_epochs=40, enable_progress_bar=False)
    return model


def width_of_gene_bootstrap(genes, labels, *measures):
    """Width of the 95 % interval of the (difference of) areas within genes drawn independently."""
    long = pd.DataFrame(dict(enumerate(measures)) | {"gene": genes, "label": labels})
    parts = [part for _, part in long.groupby("gene") if part["label"].nunique() == 2]
    number = np.array([part["label"].sum() * (~part["label"]).sum() for part in parts])
    areas = np.array(
        [[roc_auc_score(p["label"], p[m]) for m in range(len(measures))] for p in parts]
    )
    value = number * (areas[:, -1] - (areas[:, 0] if len(measures) > 1 else 0))
    n_genes = len(np.unique(genes))
    drawn = np.random.default_rng(8).integers(n_genes, size=(4000, n_genes))
    number, value = (np.append(each, 0.0) for each in (number, value))  # genes of one kind
    drawn = np.minimum(drawn, len(parts))
    means = value[drawn].sum(axis=1) / number[drawn].sum(axis=1)
    return np.subtract(*np.quantile(means, [0.975, 0.025]))


def test_intervals_within_genes_are_those_of_genes_drawn_with_replacement(evidence):
    """Each draw counts once: a gene drawn three times weighs three times as much, not nine."""
    pairs = evaluated_pairs(
        true_and_noisy(evidence), evidence, covariates=None, baselines=None, n_strata=5,
        with_evidence=False,
    )  # fmt: skip
    data = (pairs.genes, pairs.labels)
    found = net.evaluate_regulation(
        true_and_noisy(evidence), evidence, n_permutations=59, n_bootstrap=2000
    )
    row = found.table.query("measure == 'score' and level == 'within_gene'").iloc[0]
    width = width_of_gene_bootstrap(*data, pairs.measures["score"])
    assert row["auc_upper"] - row["auc_lower"] == pytest.approx(width, rel=0.08)
    folds = gene_folds(*data, np.random.default_rng(0).spawn(2)[1])
    logits = [
        out_of_fold_logits(each, pairs.labels, folds=folds, factors=pairs.factors)
        for each in score_features(pairs.measures["score"], pairs.genes, [])
    ]
    gain = found.added.set_index("metric").loc["auc_within_gene"]
    width = width_of_gene_bootstrap(*data, *logits)
    assert gain["gain_upper"] - gain["gain_lower"] == pytest.approx(width, rel=0.08)


# -- evidence ------------------------------------------------------------------------------------


def test_a_table_of_knock_downs_counts_only_what_was_measured(splicing, evidence):
    chosen = evidence.iloc[:, :3]
    long = melted(chosen, "significant")
    long = long.drop(index=long.index[::10])
    expected = evidence_table(long)
    assert expected.isna().to_numpy().sum() > 0
    scores = true_and_noisy(evidence)
    found, other = (
        tgem.tl.evaluate_regulation(splicing, each, scores=scores, copy=True, **FAST)
        for each in (long.astype({"significant": bool}), expected)
    )
    pd.testing.assert_frame_equal(found.uns[SLOT], other.uns[SLOT])
    assert found.uns[f"{SLOT}_params"]["n_factors"] == 3


def test_one_factor_is_judged_among_genes_alike(splicing, evidence):
    chosen = evidence.loc[:, evidence.sum().nlargest(1).index]
    scores = 3 * evidence + np.random.default_rng(0).normal(size=evidence.shape)
    found = tgem.tl.evaluate_regulation(splicing, chosen, scores=scores, copy=True, **FAST)
    table = found.uns[SLOT].query("measure == 'score'").set_index("level")
    assert table.loc["within_gene", "n_comparisons"] == 0
    assert np.isnan(table.loc["within_gene", "auc"])
    assert table["p_value_margins"].isna().all()
    assert found.uns[f"{SLOT}_params"]["reading"] == "adds to its baselines"
    axes = tgem.pl.regulation_evaluation(found, show=False)
    assert "within a gene" not in [ax.get_title().splitlines()[0] for ax in axes]


def test_names_are_found_as_symbols_and_without_versions(splicing, evidence):
    data = splicing.copy()
    symbols = [f"symbol {i}" for i in range(data["gene"].n_vars)]
    data["gene"].var["gene_symbol"] = symbols
    by_name = dict(zip(data["gene"].var_names, symbols, strict=True))
    scores = true_and_noisy(evidence)
    renamed = evidence.rename(columns=by_name, index=by_name)
    renamed.loc["symbol of no gene"] = 1
    found = tgem.tl.evaluate_regulation(data, renamed, scores=scores, copy=True, **FAST)
    same = tgem.tl.evaluate_regulation(data, evidence, scores=scores, copy=True, **FAST)
    pd.testing.assert_frame_equal(found.uns[SLOT], same.uns[SLOT])
    assert found.uns[f"{SLOT}_params"]["n_genes_not_scored"] == 1


def test_genes_without_evidence_can_be_left_out(splicing, evidence):
    found = tgem.tl.evaluate_regulation(
        splicing,
        evidence,
        scores=true_and_noisy(evidence),
        with_evidence=True,
        copy=True,
        **FAST,
    )
    assert found.uns[f"{SLOT}_params"]["n_genes"] == (evidence.sum(axis=1) > 0).sum()


NAMES = (["a", "b", "c"], ["x", "y"])
REFUSED = {
    "no table": (np.zeros((3, 2)), TypeError, "DataFrame"),
    "other values": (pd.DataFrame(2.5, *NAMES), ValueError, "0, 1 and missing values.*2.5"),
    "text": (pd.DataFrame("yes", *NAMES), ValueError, "hold no numbers"),
    "twice": (pd.DataFrame(0, ["a", "a"], ["x"]), ValueError, "repeated: 'a'"),
    "empty": (pd.DataFrame(index=["a"]), ValueError, "found 1 x 0"),
    "long without": (
        pd.DataFrame({"factor": ["x"], "gene": ["a"], "log2fc": [1.0]}),
        ValueError,
        "'significant' or 'value'",
    ),
    "long of changes": (
        pd.DataFrame({"factor": ["x"], "gene": ["a"], "value": [1.7]}),
        ValueError,
        r"table\.assign\(significant=",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_evidence(splicing, case):
    given, error, message = REFUSED[case]
    keys = set(splicing.uns)
    with pytest.raises(error, match=message):
        tgem.tl.evaluate_regulation(splicing, given, scores=counting(splicing))
    assert set(splicing.uns) == keys


def test_other_refusals(splicing, evidence):
    scores = counting(splicing)
    with pytest.raises(KeyError, match=r"tgem\.tl\.regulation"):
        tgem.tl.evaluate_regulation(splicing, evidence, key_added="absent")
    with pytest.raises(ValueError, match="share genes, found none"):
        tgem.tl.evaluate_regulation(splicing, evidence.rename("no {}".format), scores=scores)
    with pytest.raises(ValueError, match="share factors, found none"):
        tgem.tl.evaluate_regulation(
            splicing, evidence.rename(columns="no {}".format), scores=scores
        )
    with pytest.raises(ValueError, match="with and without evidence"):
        tgem.tl.evaluate_regulation(splicing, evidence * 0, scores=scores)
    with pytest.raises(ValueError, match="`n_permutations`"):
        tgem.tl.evaluate_regulation(splicing, evidence, scores=scores, n_permutations=0)
    with pytest.raises(TypeError, match="'rms', 'max' or a DataFrame"):
        tgem.tl.evaluate_regulation(splicing, evidence, scores=scores.to_numpy())
    with pytest.raises(TypeError, match="MuData"):
        tgem.tl.evaluate_regulation(splicing["gene"], evidence, scores=scores)
    covariates = pd.DataFrame({"length": 1.0}, scores.index)
    covariates.iloc[3] = np.nan
    with pytest.raises(ValueError, match="missing for 1 of"):
        net.evaluate_regulation(scores, evidence, covariates=covariates)
    with pytest.raises(ValueError, match="finite scores"):
        net.evaluate_regulation(scores * np.inf, evidence)


# -- slots and figure ----------------------------------------------------------------------------


def test_slots_survive_a_round_trip_and_are_drawn(splicing, evidence, tmp_path):
    found = tgem.tl.evaluate_regulation(
        splicing, evidence, scores=true_and_noisy(evidence), copy=True, **FAST
    )
    assert SLOT not in splicing.uns
    found.write_h5mu(tmp_path / "data.h5mu")
    read = mudata.read_h5mu(tmp_path / "data.h5mu")
    for key in (SLOT, f"{SLOT}_groups", f"{SLOT}_added"):
        pd.testing.assert_frame_equal(read.uns[key], found.uns[key], check_index_type=False)
    axes = tgem.pl.regulation_evaluation(read, show=False, save=tmp_path / "figure.png")
    titles = [ax.get_title().splitlines()[0] for ax in axes]
    assert titles == ["all pairs", "within a gene", "within a factor", "same factor, genes alike"]
    dots = [line.get_xdata()[0] for line in axes[1].lines if line.get_marker() == "o"]
    table = found.uns[SLOT].query("level == 'within_gene'")
    np.testing.assert_allclose(dots, table["auc"])
    assert "adds to its baselines" in axes[0].figure.get_supxlabel()
    (ax,) = tgem.pl.regulation_evaluation(
        read, levels="within_n_isoforms", metric="average_precision", show=False
    )
    assert ax.get_xlabel() == "average precision"
    with pytest.raises(ValueError, match="`levels`"):
        tgem.pl.regulation_evaluation(read, levels="within_length")
    with pytest.raises(KeyError, match=r"tgem\.tl\.evaluate_regulation"):
        tgem.pl.regulation_evaluation(splicing)


def test_the_same_seed_gives_the_same_numbers(splicing, evidence):
    scores = true_and_noisy(evidence)
    first, second = (net.evaluate_regulation(scores, evidence, **FAST, seed=3) for _ in range(2))
    pd.testing.assert_frame_equal(first.table, second.table)
    pd.testing.assert_frame_equal(first.added, second.added)
    assert first.verdict in repr(first)
