"""Mathematics of networks: what null models keep, and that p-values are uniform under the null."""

import json

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, kstest

from tgem import net

SETTINGS = settings(max_examples=40, deadline=None)


@st.composite
def networks(draw, n_classes=2, n_layers=2, loops=False):
    """Random networks of a few genes, also dense and empty ones, with ties among the weights."""
    generator = np.random.default_rng(draw(st.integers(0, 2**16)))
    n_genes = draw(st.integers(2, 9))
    density = draw(st.floats(0.05, 1.0))
    genes = [f"gene {at}" for at in range(n_genes)]
    rows = [
        (f"class {label}", layer, source, target)
        for label in range(n_classes)
        for layer in range(n_layers)
        for source in genes
        for target in genes
        if (loops or source != target) and generator.random() < density
    ]
    table = pd.DataFrame(rows, columns=["class", "layer", "source", "target"])
    weights = generator.normal(size=len(table))
    if draw(st.booleans()):
        weights = np.round(weights)
    table["weight"] = weights.astype(np.float32)
    return table


def degrees(table):
    columns = ["class", "layer"]
    outgoing = table.groupby([*columns, "source"]).size()
    incoming = table.groupby([*columns, "target"]).size()
    return outgoing.to_dict(), incoming.to_dict()


@SETTINGS
@given(networks(), st.integers(0, 2**16))
def test_rewiring_keeps_what_it_promises(table, seed):
    first, second = net.degree_preserving_null(table, n=2, seed=seed)
    again = net.degree_preserving_null(table, n=2, seed=seed)
    for null, same in zip((first, second), again, strict=True):
        assert degrees(null) == degrees(table)
        assert not (null["source"] == null["target"]).any()
        assert not null.duplicated(["class", "layer", "source", "target"]).any()
        for group, rows in table.groupby(["class", "layer"]):
            own = null[(null["class"] == group[0]) & (null["layer"] == group[1])]
            np.testing.assert_array_equal(np.sort(own["weight"]), np.sort(rows["weight"]))
        pd.testing.assert_frame_equal(null, same)


def test_rewiring_moves_most_edges():
    generator = np.random.default_rng(0)
    pairs = {tuple(pair) for pair in generator.integers(60, size=(300, 2)).tolist()}
    pairs = [pair for pair in sorted(pairs) if pair[0] != pair[1]]
    table = pd.DataFrame(pairs, columns=["source", "target"]).assign(weight=1.0)
    (null,) = net.degree_preserving_null(table)
    kept = set(zip(null["source"], null["target"], strict=True)) & {
        (str(source), str(target)) for source, target in pairs
    }
    # about 8 % of all possible pairs are edges
    assert len(kept) < 0.25 * len(pairs)


@SETTINGS
@given(st.lists(st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0])), max_size=40))
def test_rates_are_scipys(values):
    p_values = np.array(values)
    expected = false_discovery_control(p_values) if values else p_values
    np.testing.assert_allclose(net.benjamini_hochberg(p_values), expected)
    with_missing = np.append(p_values, np.nan)
    np.testing.assert_allclose(net.benjamini_hochberg(with_missing)[:-1], expected)


def test_rates_are_those_of_statsmodels():
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p_values = np.random.default_rng(0).beta(0.5, 1, size=500)
    expected = multitest.multipletests(p_values, method="fdr_bh")[1]
    np.testing.assert_allclose(net.benjamini_hochberg(p_values), expected)


@SETTINGS
@given(networks(loops=True), st.integers(0, 2**16), st.sampled_from(["both", "out", "in"]))
def test_hubs_do_not_depend_on_the_order_of_rows(table, seed, direction):
    found = net.hubs(table, direction=direction)
    shuffled = net.hubs(table.sample(frac=1, random_state=seed), direction=direction)
    columns = ["class", "rank", "gene"]
    pd.testing.assert_frame_equal(
        found.sort_values(columns, ignore_index=True),
        shuffled.sort_values(columns, ignore_index=True),
        check_exact=True,
    )


@SETTINGS
@given(networks(loops=True), st.integers(0, 2**16), st.sampled_from(["both", "out", "in"]))
def test_hubs_follow_the_names_of_genes(table, seed, direction):
    genes = sorted(set(table["source"]) | set(table["target"]))
    order = np.random.default_rng(seed).permutation(len(genes))
    names = {gene: f"name {order[at]}" for at, gene in enumerate(genes)}
    renamed = table.assign(source=table["source"].map(names), target=table["target"].map(names))
    columns = ["class", "gene"]
    expected = net.hubs(table, direction=direction).assign(
        gene=lambda found: found["gene"].map(names)
    )
    found = net.hubs(renamed, direction=direction).astype({"gene": object})
    pd.testing.assert_frame_equal(
        found.sort_values(columns, ignore_index=True),
        expected.astype({"gene": object}).sort_values(columns, ignore_index=True),
        check_exact=True,
    )


@SETTINGS
@given(networks(n_classes=1, n_layers=1, loops=True))
def test_hubs_are_networkx_degrees(table):
    graph = nx.DiGraph()
    for row in table.itertuples():
        graph.add_edge(row.source, row.target, weight=abs(row.weight))
    views = {"both": graph.degree, "out": graph.out_degree, "in": graph.in_degree}
    for direction, view in views.items():
        found = net.hubs(table, direction=direction).set_index("gene")
        assert found["degree"].to_dict() == {gene: k for gene, k in view() if k}
        for gene, strength in view(weight="weight"):
            if gene in found.index:
                np.testing.assert_allclose(found.loc[gene, "strength"], strength, rtol=1e-6)


def gene_statistics(generator, n_networks, n_genes):
    """Statistics of genes that differ in scale, so that some are large in every network."""
    scale = np.linspace(0.5, 4.0, n_genes)
    return generator.gamma(2.0, size=(n_networks, n_genes)) * scale


@pytest.mark.parametrize("n_matched", [None, 5, 40])
def test_pooled_p_values_are_uniform_under_the_null(n_matched):
    generator = np.random.default_rng(0)
    p_values = np.concatenate(
        [
            net.pooled_p_values(statistics[0], statistics[1:], n_matched=n_matched)
            for statistics in (gene_statistics(generator, 31, 40) for _ in range(100))
        ]
    )
    assert kstest(p_values, "uniform").statistic < 0.025
    for level in (0.01, 0.05, 0.2):
        assert np.mean(p_values <= level) <= level * 1.15 + 0.002


def test_matching_keeps_a_gene_that_is_large_everywhere_from_being_called():
    generator = np.random.default_rng(1)
    p_values = {None: [], 1: []}
    for _ in range(100):
        statistics = gene_statistics(generator, 101, 40)
        statistics[:, 0] += 100
        for n_matched, found in p_values.items():
            width = n_matched or 40
            found.append(net.pooled_p_values(statistics[0], statistics[1:], n_matched=width)[0])
    assert max(p_values[None]) < 0.03
    assert np.mean(np.array(p_values[1]) < 0.05) < 0.12


def random_network(generator, n_genes=40, n_edges=150):
    """Edges drawn with heavy-tailed gene weights: hubs without a meaning."""
    weights = generator.pareto(2.0, size=n_genes) + 0.2
    scores = np.outer(weights, weights) * generator.exponential(size=(n_genes, n_genes))
    np.fill_diagonal(scores, 0)
    kept = np.argsort(scores.ravel())[-n_edges:]
    source, target = np.unravel_index(kept, scores.shape)
    names = np.array([f"G{at}" for at in range(n_genes)], dtype=object)
    return pd.DataFrame(
        {"source": names[source], "target": names[target], "weight": scores.ravel()[kept]}
    )


def test_hub_p_values_are_uniform_under_the_null():
    generator = np.random.default_rng(2)
    genes = [f"G{at}" for at in range(40)]
    p_values, n_significant = [], 0
    for _ in range(20):
        nulls = [random_network(generator) for _ in range(21)]
        found = net.hub_significance(
            nulls[0], nulls[1:], statistic="strength", direction="out", genes=genes
        )
        # genes without an edge have the largest p-values and are not in the table
        p_values += [*found["p_value"], *np.ones(40 - len(found))]
        n_significant += (found["fdr"] < 0.05).sum()
    p_values = np.array(p_values)
    for level in (0.01, 0.05, 0.2):
        assert abs(np.mean(p_values <= level) - level) < 0.4 * level + 0.005
    assert n_significant <= 0.05 * len(p_values)


def test_strength_p_values_are_uniform_when_weights_are_dealt_at_random():
    generator = np.random.default_rng(3)
    p_values = []
    for seed in range(40):
        table = random_network(generator)
        table["weight"] = generator.exponential(size=len(table))
        p_values.append(net.strength_significance(table, n_permutations=100, seed=seed)["p_value"])
    assert kstest(np.concatenate(p_values), "uniform").statistic < 0.05


def test_edge_p_values_are_uniform_when_weights_are_dealt_at_random():
    generator = np.random.default_rng(4)
    p_values = []
    for seed in range(40):
        table = random_network(generator)
        table["weight"] = generator.exponential(size=len(table))
        p_values.append(net.edge_significance(table, n_permutations=50, seed=seed)["p_value"])
    # an edge whose genes have no other always holds all of them: ties, hence p = 1
    assert kstest(np.concatenate(p_values), "uniform").statistic < 0.05


def test_difference_p_values_are_uniform_when_groups_are_the_same():
    generator = np.random.default_rng(5)
    pairs = pd.DataFrame(
        [(f"A{s}", f"B{t}") for s in range(8) for t in range(8)], columns=["source", "target"]
    )
    p_values = []
    for seed in range(40):
        tables = [pairs.assign(weight=generator.normal(size=64)) for _ in range(10)]
        p_values.append(net.difference(tables[:5], tables[5:], seed=seed)["p_value"])
    assert kstest(np.concatenate(p_values), "uniform").statistic < 0.05


@SETTINGS
@given(networks())
def test_graphml_round_trip(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("graph") / "network.graphml"
    net.write_graphml(table, path)
    graph = nx.read_graphml(path, force_multigraph=True)
    rows = [
        (data["class"], data["layer"], source, target, data["weight"])
        for source, target, data in graph.edges(data=True)
    ]
    columns = ["class", "layer", "source", "target"]
    back = pd.DataFrame(rows, columns=[*columns, "weight"]).sort_values(columns, ignore_index=True)
    expected = table.sort_values(columns, ignore_index=True)
    assert back[columns].values.tolist() == expected[columns].values.tolist()
    np.testing.assert_array_equal(back["weight"], expected["weight"])


@SETTINGS
@given(networks())
def test_cytoscape_round_trip(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("graph") / "network.cyjs"
    net.write_cyjs(table, path)
    elements = json.loads(path.read_text())["elements"]
    names = {node["data"]["id"]: node["data"]["name"] for node in elements["nodes"]}
    edges = [edge["data"] for edge in elements["edges"]]
    assert len({edge["id"] for edge in edges}) == len(table)
    back = {
        (edge["class"], edge["layer"], names[edge["source"]], names[edge["target"]]): edge["weight"]
        for edge in edges
    }
    columns = ["class", "layer", "source", "target"]
    keys = table[columns].itertuples(index=False, name=None)
    assert back == dict(zip(keys, table["weight"].astype(float), strict=True))


@SETTINGS
@given(networks(n_classes=1), st.integers(0, 2**16))
def test_communities_do_not_depend_on_the_order_of_rows(table, seed):
    found = net.communities(table, seed=3)
    shuffled = net.communities(table.sample(frac=1, random_state=seed), seed=3)
    pd.testing.assert_frame_equal(found, shuffled)
    genes = set(table["source"]) | set(table["target"])
    assert sorted(found["gene"]) == sorted(genes)
