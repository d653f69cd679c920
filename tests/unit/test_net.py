"""Networks as tables: what is kept, counted, compared and written, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from tgem import net


def table(*rows, columns=("source", "target", "weight")):
    return pd.DataFrame(list(rows), columns=list(columns))


def clique(genes):
    return [(a, b, 1.0) for a in genes for b in genes if a < b]


FULL = ("class", "layer", "source", "target", "weight")
SMALL = table(
    ("B", 1, "a", "b", 0.5),
    ("B", 2, "a", "b", -0.25),
    ("B", 2, "a", "c", 2.0),
    ("T", 1, "c", "a", -1.0),
    columns=FULL,
)


class TestBadInput:
    functions = pytest.mark.parametrize(
        "function",
        [
            net.hubs,
            net.communities,
            net.community_significance,
            net.degree_preserving_null,
            net.edge_significance,
            net.strength_significance,
            net.to_networkx,
            net.to_decoupler,
            lambda t: net.strongest(t, n_edges=1),
            lambda t: net.hub_significance(t, [SMALL]),
            lambda t: net.hub_significance(SMALL, [t]),
            lambda t: net.stability([t, t]),
            lambda t: net.difference([t, t], [t, t]),
        ],
    )

    @functions
    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            (SMALL.rename(columns={"source": "tf"}), r"'source' is missing; it has 'class'.*'tf'"),
            (SMALL.assign(weight=[1, np.nan, 2, np.inf]), r"2 of 4 are missing or infinite"),
            (SMALL.assign(weight=list("abcd")), r"numbers in .*\['weight'\]`, found"),
            (SMALL.assign(target=["a", None, "b", "c"]), r"1 of 4 rows lack one.*row 1"),
            (SMALL.drop(columns="layer"), r"1 of 4 rows repeat an earlier one, such as 'a' to 'b'"),
        ],
    )
    def test_no_network(self, function, wrong, message):
        before = wrong.copy()
        with pytest.raises(ValueError, match=message):
            function(wrong)
        pd.testing.assert_frame_equal(wrong, before)

    @functions
    def test_no_table(self, function):
        with pytest.raises(TypeError, match="to be a pandas DataFrame, got dict"):
            function({"source": []})

    def test_list_of_networks(self):
        with pytest.raises(TypeError, match="list of networks, got DataFrame"):
            net.stability(SMALL)
        with pytest.raises(ValueError, match="at least 2 networks in `tables`, got 1"):
            net.stability([SMALL])
        with pytest.raises(ValueError, match="'layer' in all networks or in none"):
            net.stability([SMALL, SMALL.iloc[1:].drop(columns="layer")])

    def test_settings(self):
        for settings in ({}, {"n_edges": 1, "share": 0.5}):
            with pytest.raises(ValueError, match="one of `n_edges` and `share`"):
                net.strongest(SMALL, **settings)
        with pytest.raises(ValueError, match=r"`share` in \(0, 1\], got 1.5"):
            net.strongest(SMALL, share=1.5)
        with pytest.raises(ValueError, match="`by` to name columns of the table, got 'head'"):
            net.strongest(SMALL, n_edges=1, by="head")
        with pytest.raises(ValueError, match="`direction` to be one of"):
            net.hubs(SMALL, direction="up")
        with pytest.raises(ValueError, match=r"p-values in 0 to 1, found -0.1 to 2"):
            net.benjamini_hochberg(np.array([2.0, -0.1]))
        with pytest.raises(ValueError, match="at least one null network"):
            net.pooled_p_values(np.ones(3), np.ones((0, 3)))

    def test_genes_that_point_to_themselves_cannot_be_rewired(self):
        loop = table(("a", "a", 1.0), ("a", "b", 1.0))
        with pytest.raises(ValueError, match=r"1 of 2 edges do: 'a'"):
            net.degree_preserving_null(loop)


@pytest.mark.parametrize("rows", [SMALL.iloc[:0], table()])
def test_no_edges(rows):
    assert net.hubs(rows).empty
    assert net.communities(rows).empty
    assert net.strongest(rows, n_edges=3).empty
    assert net.degree_preserving_null(rows)[0].empty
    assert net.to_decoupler(rows).empty
    assert net.edge_significance(rows).empty
    assert net.strength_significance(rows).empty
    assert net.difference([rows] * 2, [rows] * 2).empty
    assert net.to_networkx(rows).number_of_nodes() == 0


class TestStrongest:
    def test_by_class_and_layer(self):
        kept = net.strongest(SMALL, n_edges=1)
        assert kept["weight"].tolist() == [0.5, 2.0, -1.0]

    def test_by_class(self):
        kept = net.strongest(SMALL, n_edges=2, by=["class"])
        assert kept["weight"].tolist() == [2.0, 0.5, -1.0]

    def test_of_all_rows(self):
        assert net.strongest(SMALL, n_edges=2, by=())["weight"].tolist() == [2.0, -1.0]

    def test_share_rounds_up(self):
        rows = table(*((f"g{at}", "h", at + 1.0) for at in range(30)))
        assert len(net.strongest(rows, share=0.1)) == 3
        assert len(net.strongest(rows, share=0.11)) == 4
        assert len(net.strongest(rows, share=1.0)) == 30

    def test_ties_by_name_and_other_columns_stay(self):
        rows = table(("b", "x", -1.0, 7), ("a", "x", 1.0, 8), columns=[*FULL[2:], "note"])
        kept = net.strongest(rows, n_edges=1)
        assert kept.values.tolist() == [["a", "x", 1.0, 8]]


class TestHubs:
    def test_layers_are_merged(self):
        found = net.hubs(SMALL)
        rows = found.values.tolist()
        assert rows[:3] == [["B", "a", 2, 2.75, 1], ["B", "c", 1, 2.0, 2], ["B", "b", 1, 0.75, 3]]
        assert found.loc[found["class"] == "T", "rank"].tolist() == [1, 1]

    def test_direction(self):
        assert net.hubs(SMALL, direction="out")["gene"].tolist() == ["a", "c"]
        assert net.hubs(SMALL, direction="in")["gene"].tolist() == ["c", "b", "a"]

    def test_stored_categories(self):
        stored = SMALL.astype({"class": "category", "source": "category", "layer": "category"})
        pd.testing.assert_frame_equal(net.hubs(stored), net.hubs(SMALL))


def random_edges(generator, n_edges=60, hub=None):
    genes = [f"g{at:02d}" for at in range(30)]
    pairs = [(a, b) for a in genes for b in genes if a != b]
    order = generator.permutation(len(pairs))
    if hub:
        order = sorted(order, key=lambda at: hub not in pairs[at])
    kept = [pairs[at] for at in order[:n_edges]]
    rows = pd.DataFrame(kept, columns=["source", "target"])
    return rows.assign(weight=generator.exponential(size=n_edges))


class TestHubSignificance:
    def test_planted_hub_is_the_only_one(self, generator):
        nulls = [random_edges(generator) for _ in range(20)]
        found = net.hub_significance(random_edges(generator, hub="g07"), nulls)
        assert found.loc[found["fdr"] < 0.05, "gene"].tolist() == ["g07"]
        assert found["n_null"].tolist() == [20] * len(found)

    def test_p_value_by_hand(self):
        star = table(("a", "b", 1.0), ("a", "c", 1.0))
        line = table(("a", "b", 1.0), ("b", "c", 1.0))
        found = net.hub_significance(star, [line, star], direction="out").iloc[0]
        # Roots of a's out-degrees, star first: 1.41 1 1.41, of b's: 0 1 0. In units of each gene's
        # spread (0.29, 0.42) their distances from the means in the null networks are -0.95 and
        # 0.48 for a, 1.59 and -0.79 for b; two of the four reach the star's 0.48 for a.
        assert found["p_value"] == pytest.approx(3 / 5)
        assert found["fdr"] == pytest.approx(4 / 5)

    def test_a_hub_of_every_network_is_not_significant(self, generator):
        def network(*hubs):
            parts = [random_edges(generator, hub=hub) for hub in hubs]
            return pd.concat(parts).drop_duplicates(["source", "target"])

        nulls = [network("g03", None) for _ in range(20)]
        found = net.hub_significance(network("g03", "g07"), nulls)
        assert set(found["gene"].iloc[:2]) == {"g03", "g07"}
        assert found.loc[found["fdr"] < 0.05, "gene"].tolist() == ["g07"]

    def test_classes_are_apart_and_null_networks_may_lack_one(self):
        only_b = SMALL[SMALL["class"] == "B"]
        found = net.hub_significance(SMALL, [SMALL, only_b])
        assert found.groupby("class")["n_null"].first().to_dict() == {"B": 2, "T": 1}
        with pytest.raises(ValueError, match="null networks of class 'T', but none of the 2"):
            net.hub_significance(SMALL, [only_b, only_b])

    def test_all_genes_of_the_model_are_tests(self):
        star = table(("a", "b", 1.0), ("a", "c", 1.0))
        few = net.hub_significance(star, [star.iloc[:1]])
        many = net.hub_significance(star, [star.iloc[:1]], genes=list("abcdefgh"))
        assert few["p_value"].iloc[0] == pytest.approx(1 / 4)
        assert many["p_value"].iloc[0] == pytest.approx(1 / 9)
        with pytest.raises(ValueError, match="1 are not: 'c'"):
            net.hub_significance(star, [star], genes=["a", "b"])

    def test_strength_beyond_degree(self, generator):
        rows = random_edges(generator, n_edges=300)
        rows.loc[rows["source"] == "g03", "weight"] += 4
        found = net.strength_significance(rows, direction="out", seed=1)
        assert found.loc[found["fdr"] < 0.05, "gene"].tolist() == ["g03"]
        pd.testing.assert_frame_equal(
            found, net.strength_significance(rows, direction="out", seed=1)
        )

    def test_equal_weights_say_nothing(self, generator):
        rows = random_edges(generator).assign(weight=0.1)
        assert (net.strength_significance(rows)["p_value"] == 1).all()


class TestEdgeSignificance:
    def test_against_networks(self, generator):
        nulls = [random_edges(generator).assign(weight=np.linspace(0, 1, 60))] * 20
        rows = random_edges(generator)
        rows["weight"] = np.append(-3.0, np.linspace(0, 0.9, 59))
        found = net.edge_significance(rows, nulls)
        assert np.flatnonzero(found["fdr"] < 0.05).tolist() == [0]
        assert found["p_value"].iloc[0] == pytest.approx(1 / 1201)

    def test_index_and_columns_of_the_table_stay(self):
        rows = SMALL.iloc[::-1]
        found = net.edge_significance(rows, [SMALL])
        pd.testing.assert_frame_equal(found[list(FULL)], rows)
        with pytest.raises(ValueError, match="null networks of 'T', '1', but none"):
            net.edge_significance(rows, [SMALL.iloc[:3]])
        with pytest.raises(ValueError, match="column 'layer' in the null networks"):
            net.edge_significance(rows, [SMALL.iloc[1:].drop(columns="layer")])

    def test_planted_edge(self, generator):
        rows = random_edges(generator, n_edges=400)
        rows.loc[17, "weight"] = 40.0
        assert net.edge_significance(rows)["fdr"].idxmin() == 17


class TestCommunities:
    def test_cliques(self):
        rows = table(*clique("abcde"), *clique("vwx"), ("a", "v", -0.1))
        found = net.communities(rows)
        members = found.groupby("community")["gene"].agg("".join).tolist()
        assert members == ["abcde", "vwx"]
        assert found["size"].tolist() == [5] * 5 + [3] * 3

    def test_significance(self, generator):
        rows = table(*clique("abcdef"), *clique("uvwxyz"), ("a", "u", 1.0))
        found = net.community_significance(rows, n_permutations=39)
        assert found["p_value"].tolist() == [1 / 40]
        assert found["n_communities"].tolist() == [2]
        chance = net.community_significance(random_edges(generator), n_permutations=39)
        assert chance["p_value"].iloc[0] > 0.05

    def test_no_weight(self):
        rows = table(("a", "b", 0.0))
        assert net.communities(rows)["community"].tolist() == [1, 2]
        assert net.community_significance(rows, n_permutations=3)["p_value"].tolist() == [1.0]


class TestStability:
    def test_frequencies(self):
        other = SMALL.assign(weight=[0.5, 0.25, 2.0, -1.0]).iloc[1:]
        found = net.stability([SMALL, other], n_hubs=1)
        edges = found.edges.set_index(["class", "layer", "source", "target"])
        assert edges["frequency"].to_dict() == {
            ("B", 2, "a", "b"): 1.0,
            ("B", 2, "a", "c"): 1.0,
            ("B", 1, "a", "b"): 0.5,
            ("T", 1, "c", "a"): 1.0,
        }
        assert edges.loc[("B", 2, "a", "b"), "same_sign"] == 0.5
        assert edges.loc[("B", 1, "a", "b"), "weight"] == 0.25
        hubs = found.hubs.set_index(["class", "gene"])["frequency"].to_dict()
        assert hubs == {
            ("B", "a"): 1.0,
            ("B", "c"): 0.0,
            ("B", "b"): 0.0,
            ("T", "a"): 1.0,
            ("T", "c"): 1.0,
        }


class TestDifference:
    def test_planted_difference(self, generator):
        base = random_edges(generator, n_edges=200)

        def network(shift):
            weights = base["weight"] + generator.normal(scale=0.1, size=200)
            weights[:3] += shift
            return base.assign(weight=weights)

        found = net.difference([network(2) for _ in range(5)], [network(0) for _ in range(5)])
        planted = set(zip(base["source"][:3], base["target"][:3], strict=True))
        top = found.iloc[:3]
        assert set(zip(top["source"], top["target"], strict=True)) == planted
        assert top["difference"].between(1.7, 2.3).all()
        assert (top["fdr"] < 0.05).all()
        assert (found["fdr"].iloc[3:] > 0.05).all()

    def test_absent_edges_count_as_zero(self):
        one, other = SMALL, SMALL.iloc[:3]
        found = net.difference([one, one], [other, other], contrast="T only")
        assert found.columns.tolist() == [
            "contrast",
            "class",
            "layer",
            "source",
            "target",
            "difference",
            "p_value",
            "fdr",
        ]
        assert found.loc[found["class"] == "T", "difference"].tolist() == [-1.0]
        assert set(found["contrast"]) == {"T only"}

    def test_true_division_and_its_mirror_are_no_null(self):
        first, second = table(("a", "b", 1.0)), table(("a", "b", 0.0))
        found = net.difference([first] * 2, [second] * 2)
        # both other divisions of two and two have difference 0, as their mirror images do
        assert found["p_value"].tolist() == [1 / 3]

    @pytest.mark.parametrize(("n", "least"), [(3, 1 / 10), (4, 1 / 35), (5, 1 / 126)])
    def test_an_edge_alone_has_the_exact_two_sided_p_value(self, n, least):
        rising = [table(("a", "b", float(weight))) for weight in range(2 * n)]
        found = net.difference(rising[n:], rising[:n])
        assert found["p_value"].tolist() == pytest.approx([least])

    def test_light_edges_that_vary_little_are_found_beside_heavy_ones(self, generator):
        base = random_edges(generator, n_edges=300)
        heavy = np.sort(generator.lognormal(sigma=2, size=300))

        def network(factor):
            weights = heavy * generator.lognormal(sigma=0.1, size=300)
            weights[50:55] *= factor
            return base.assign(weight=weights)

        found = net.difference([network(2) for _ in range(5)], [network(1) for _ in range(5)])
        planted = set(zip(base["source"][50:55], base["target"][50:55], strict=True))
        chosen = found[found["fdr"] < 0.05]
        assert planted <= set(zip(chosen["source"], chosen["target"], strict=True))

    def test_equal_groups_seldom_have_a_different_edge(self):
        generator = np.random.default_rng(5)
        edges = pd.DataFrame({"source": [f"A{i}" for i in range(300)], "target": "B"})
        found = 0
        for seed in range(100):
            mean = generator.lognormal(sigma=1.5, size=300)
            noise = generator.lognormal(-1.5, 0.7, size=300)
            tables = [
                edges.assign(weight=mean * (1 + noise * generator.normal(size=300)))
                for _ in range(8)
            ]
            rates = net.difference(tables[:4], tables[4:], seed=seed)["fdr"]
            found += bool((rates <= 0.05).any())
        assert found <= binom.ppf(0.999, 100, 0.05)

    def test_seed(self, generator):
        tables = [random_edges(generator) for _ in range(14)]
        first, again, other = (
            net.difference(tables[:7], tables[7:], n_permutations=50, seed=seed)
            for seed in (0, 0, 1)
        )
        pd.testing.assert_frame_equal(first, again)
        assert not first["p_value"].equals(other["p_value"])


class TestExport:
    def test_sif(self, tmp_path):
        rows = table(("a b", "c", -1.0), ("c", "d", 0.0), ("d", "c", 0.1))
        net.write_sif(rows, tmp_path / "x.sif")
        lines = (tmp_path / "x.sif").read_text().splitlines()
        assert lines == ["a b\tnegative\tc", "c\tnone\td", "d\tpositive\tc"]
        with pytest.raises(ValueError, match="1 of 4 rows repeat a pair in another class or layer"):
            net.write_sif(SMALL, tmp_path / "y.sif")
        with pytest.raises(ValueError, match="without tabs and line breaks"):
            net.write_sif(table(("a\tb", "c", 1.0)), tmp_path / "y.sif")
        assert not (tmp_path / "y.sif").exists()

    def test_decoupler(self):
        rows = net.to_decoupler(SMALL[SMALL["class"] == "B"])
        assert rows.values.tolist() == [["a", "b", 0.25], ["a", "c", 2.0]]
        with pytest.raises(ValueError, match="network of one class, found 2: 'B', 'T'"):
            net.to_decoupler(SMALL)

    def test_graph_keeps_other_columns_and_leaves_out_what_is_missing(self):
        rows = SMALL.assign(key=["x", None, "y", "z"], v=np.arange(4))
        graph = net.to_networkx(rows)
        data = [each for _, _, each in graph.edges(data=True)]
        assert [each.get("key") for each in data] == ["x", None, "y", "z"]
        assert [each["v"] for each in data] == [0, 1, 2, 3]
        assert set(map(type, (data[0]["weight"], data[0]["layer"]))) == {float, int}
