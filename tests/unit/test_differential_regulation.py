"""Which factor acts differently on which gene in two groups of samples."""

from itertools import combinations

import mudata
import numpy as np
import pandas as pd
import pytest

import tgem
from tgem.model import DeepSF
from tgem.tl._label_permutations import label_contrasts

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning:mudata"),
    # models of few epochs
    pytest.mark.filterwarnings("ignore::tgem._core.errors.RegulationWarning"),
]
SLOT = "deepsf_differential_regulation"
GROUPS = ["treated", "control"]


@pytest.fixture(scope="module")
def trained():
    data = tgem.datasets.synthetic_splicing(n_obs=60, n_factors=6, n_isoforms=80, seed=1)
    DeepSF.setup_mudata(data)
    model = DeepSF(data)
    model.train(max_epochs=40, enable_progress_bar=False)
    return data, model


def first_samples(data, n):
    """As many samples of each condition, in pairs of donors."""
    labels = data.obs["condition"].astype(str).to_numpy()
    chosen = np.concatenate([np.flatnonzero(labels == each)[:n] for each in GROUPS])
    small = data[chosen].copy()
    small.obs["donor"] = [f"donor {i % n}" for i in range(2 * n)]
    return small


def written(data, model, **options):
    found = tgem.tl.differential_regulation(
        data, model, GROUPS, groupby="condition", copy=True, **options
    )
    return found.uns[SLOT], found.uns[f"{SLOT}_params"]


def test_differences_and_exact_p_values(trained):
    data, model = trained
    small = first_samples(data, 4)
    table, params = written(small, model)
    scores = model.get_attributions(list(model.isoform_names), small)
    in_group = small.obs["condition"].astype(str).to_numpy() == "treated"
    assert (params["exact"], params["n_permutations"]) == (True, 70)
    for row in table.iloc[[0, 7, -1]].itertuples():
        factor = list(model.factor_names).index(row.source)
        own = model.isoform_genes == row.gene
        values = scores[:, factor, own].astype(float)

        def statistic(chosen, values=values):
            difference = values[chosen].mean(0) - values[~chosen].mean(0)
            return np.sqrt((difference**2).mean()), difference

        observed, difference = statistic(in_group)
        assert row.difference == pytest.approx(observed, rel=1e-3)
        largest = np.abs(difference).argmax()
        assert row.isoform == model.isoform_names[own][largest]
        assert row.isoform_difference == pytest.approx(difference[largest], rel=1e-3)
        null = [statistic(np.isin(np.arange(8), each))[0] for each in combinations(range(8), 4)]
        assert row.p_value == pytest.approx(np.mean(np.array(null) >= observed * (1 - 1e-5)))
    pairs = len(model.factor_names) * model.isoform_genes.nunique()
    assert len(table) == params["n_tests"] == pairs
    fdr = tgem.net.benjamini_hochberg(table["p_value"].to_numpy())
    np.testing.assert_allclose(table["fdr"], fdr)


def test_labels_are_permuted_within_blocks(trained):
    data, model = trained
    small = first_samples(data, 4)
    table, params = written(small, model, block_key="donor")
    assert params["n_permutations"] == 2**4
    assert params["n_blocks"] == 4
    assert table["p_value"].min() >= 2 / 16
    whole, _ = written(small, model)  # equal numbers in all blocks: the same differences
    columns = ["source", "gene"]
    merged = table.merge(whole, on=columns)
    np.testing.assert_allclose(merged["difference_x"], merged["difference_y"], rtol=1e-4)


def test_without_hidden_layers_the_p_value_is_that_of_the_factor(trained):
    data, model = trained
    table, _ = written(first_samples(data, 5), model)
    known = table[table["difference"] > 0]
    spread = known.groupby("source")["p_value"].agg(np.ptp)
    assert (spread == 0).mean() >= 0.5  # but for clipping


def test_random_permutations_keep_to_the_seed_and_find_the_shift(trained):
    data, model = trained
    table, params = written(data, model, n_permutations=199)
    again, _ = written(data, model, n_permutations=199)
    pd.testing.assert_frame_equal(table, again)
    assert not params["exact"]
    assert table["p_value"].min() == pytest.approx(1 / 200)
    labels = data.obs["condition"].astype(str).to_numpy() == "treated"
    levels = np.log2(1 + data["gene"][:, model.factor_names].X.astype(float))
    shift = levels[labels].mean(0) - levels[~labels].mean(0)
    t = np.abs(shift) / levels.std(0)
    smallest = table.groupby("source")["p_value"].median().loc[model.factor_names]
    assert smallest.iloc[t.argmax()] <= smallest.iloc[t.argmin()]


def test_p_values_of_labels_without_meaning_are_uniform():
    generator = np.random.default_rng(0)
    p_values = []
    for seed in range(200):
        values = generator.normal(size=12)
        in_group = generator.permutation(np.arange(12) % 2 == 0)
        contrasts = label_contrasts(in_group, np.zeros(12), n_permutations=99, seed=seed)
        reached = (np.abs(contrasts.permuted @ values) >= abs(contrasts.observed @ values)).sum()
        p_values.append(contrasts.p_values(reached))
    p_values = np.array(p_values)
    for limit in (0.1, 0.3, 0.5, 0.8):
        assert abs((p_values <= limit).mean() - limit) < 3.5 * np.sqrt(limit * (1 - limit) / 200)


def test_blocks_take_their_own_level_out():
    generator = np.random.default_rng(0)
    blocks = np.repeat(np.arange(4), 3)
    in_group = np.tile([True, False, False], 4)
    values, levels = generator.normal(size=12), 100 * generator.normal(size=4)
    contrasts = label_contrasts(in_group, blocks, n_permutations=100, seed=0)
    assert contrasts.exact
    assert len(contrasts.permuted) == 3**4
    shifted = values + levels[blocks]
    np.testing.assert_allclose(contrasts.permuted @ shifted, contrasts.permuted @ values)
    expected = np.mean([values[3 * i] - values[3 * i + 1 : 3 * i + 3].mean() for i in range(4)])
    assert contrasts.observed @ values == pytest.approx(expected)
    np.testing.assert_allclose(contrasts.permuted.sum(axis=1), 0, atol=1e-12)


def test_slot_survives_and_feeds_enrichment(trained, tmp_path):
    data, model = trained
    found = tgem.tl.differential_regulation(
        data, model, GROUPS, groupby="condition", n_edges=60, n_permutations=199, copy=True
    )
    assert SLOT not in data.uns
    found.write_h5mu(tmp_path / "data.h5mu")
    read = mudata.read_h5mu(tmp_path / "data.h5mu")
    pd.testing.assert_frame_equal(read.uns[SLOT], found.uns[SLOT], check_index_type=False)
    assert len(read.uns[SLOT]) == 60
    genes = list(model.gene_names)
    sets = {"even": genes[::2], "odd": genes[1::2]}
    tgem.tl.enrich_targets(read, sets, of="differential_regulation", max_fdr=1, min_targets=2)
    assert set(read.uns[f"{SLOT}_params"]["genes"]) == set(model.isoform_genes)
    assert read.uns["deepsf_enrichment_params"]["n_background"] == model.isoform_genes.nunique()
    enriched = read.uns["deepsf_enrichment"]
    assert set(enriched["class"]) <= set(read.uns[SLOT]["source"])
    overlap = enriched.iloc[0]
    own = read.uns[SLOT].query("source == @overlap['class']")["gene"].unique()
    expected = len(set(own) & set(sets[overlap["Term"]]))
    assert int(overlap["Overlap"].split("/")[0]) == expected
    with pytest.raises(ValueError, match="max_fdr"):
        tgem.tl.enrich_targets(
            read, sets, background=genes, of="differential_regulation", max_fdr=1e-9
        )
    with pytest.raises(KeyError, match=r"tgem\.tl\.differential_regulation"):
        tgem.tl.enrich_targets(data, sets, background=genes, of="differential_regulation")


@pytest.mark.parametrize(
    "case",
    [
        (["treated"], {"groupby": "condition"}, ValueError, "two different groups"),
        (["treated", "none"], {"groupby": "condition"}, ValueError, "Known: 'control', 'treated'"),
        (GROUPS, {"groupby": "tissue"}, KeyError, "Available: .*'condition'"),
        (GROUPS, {"groupby": "condition", "block_key": "tissue"}, KeyError, "tissue"),
        (GROUPS, {"groupby": "condition", "block_key": "condition"}, ValueError, "block_key"),
        (GROUPS, {"groupby": "condition", "n_permutations": 0}, ValueError, "n_permutations"),
    ],
)
def test_refused(trained, case):
    (data, model), (groups, options, error, message) = trained, case
    with pytest.raises(error, match=message):
        tgem.tl.differential_regulation(data, model, groups, **options)
    assert SLOT not in data.uns


def test_missing_blocks_are_refused(trained):
    data, model = trained
    small = first_samples(data, 3)
    small.obs["donor"] = small.obs["donor"].where(np.arange(6) > 0)
    with pytest.raises(ValueError, match="missing for 1 of 6"):
        tgem.tl.differential_regulation(
            small, model, GROUPS, groupby="condition", block_key="donor"
        )
