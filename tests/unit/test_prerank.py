"""Rankings: gseapy's prerank under every name and tie, gene-set libraries, panels, files."""

import gseapy
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from tgem.enrich import (
    PRERANK_COLUMNS,
    gene_panel,
    prerank,
    read_gene_sets,
    write_rnk,
    write_rnk_by_class,
)

GENES = [f"Gene{i}" for i in range(200)]
SETS = {"top": GENES[:12], "bottom": GENES[180:195], "anywhere": GENES[5:200:13]}


@pytest.fixture
def ranking():
    scores = np.sort(np.random.default_rng(3).normal(size=200))[::-1]
    return pd.Series(scores, index=GENES).sample(frac=1, random_state=0)


def enrichment_score(ranking, members):
    """Subramanian's running sum, written down from its definition."""
    ordered = ranking.sort_values(ascending=False)
    inside = ordered.index.isin(members)
    hits = np.where(inside, ordered.abs(), 0.0)
    steps = hits / hits.sum() - ~inside / (~inside).sum()
    path = np.cumsum(steps)
    return path[np.abs(path).argmax()]


class TestPrerank:
    def test_score_is_the_running_sum(self, ranking):
        table = prerank(ranking, SETS, n_permutations=50).set_index("Term")
        for name, members in SETS.items():
            expected = enrichment_score(ranking, members)
            assert table.loc[name, "ES"] == pytest.approx(expected, rel=1e-9)

    def test_agrees_with_gseapy_where_that_has_nothing_to_guess(self, ranking):
        upper = ranking.rename(index=str.upper).sort_values(ascending=False)
        sets = {name: [gene.upper() for gene in genes] for name, genes in SETS.items()}
        direct = gseapy.prerank(
            upper, sets, permutation_num=200, min_size=5, seed=7, outdir=None, no_plot=True
        ).res2d.set_index("Term")
        table = prerank(ranking, SETS, n_permutations=200, seed=7).set_index("Term")
        assert list(table.index) == list(direct.index)
        for name in ("ES", "NES"):
            np.testing.assert_allclose(table[name], direct[name].astype(float))
        rate = direct["FDR q-val"].astype(float).clip(lower=table["NOM p-val"])
        np.testing.assert_allclose(table["FDR q-val"], rate)
        # gseapy says r / n; of the 200 random sets, n have the sign of the score
        share = direct["NOM p-val"].astype(float)
        n = (1 - table["NOM p-val"]) / (table["NOM p-val"] - share)
        assert n.between(60, 140).all()
        np.testing.assert_allclose(n, n.round(), atol=1e-6)
        assert [f"{share:.2f}%" for share in table["Gene %"]] == direct["Gene %"].tolist()
        assert table["Lead_genes"].str.upper().tolist() == direct["Lead_genes"].tolist()

    def test_columns_types_and_order(self, ranking):
        table = prerank(ranking, SETS, n_permutations=50)
        assert list(table.columns) == list(PRERANK_COLUMNS)
        numeric = set(table.select_dtypes("float64").columns)
        assert numeric == {"ES", "NES", "NOM p-val", "FDR q-val", "Gene %"}
        assert table["NES"].abs().is_monotonic_decreasing
        by_term = table.set_index("Term")
        assert by_term.loc["top", "NES"] > 1 > -1 > by_term.loc["bottom", "NES"]
        assert by_term.loc["top", "Tag %"] == "12/12"
        assert by_term.loc["top", "Lead_genes"] == ";".join(GENES[:12])
        assert by_term.loc["bottom", "Lead_genes"].startswith("Gene194;Gene193;")

    def test_mixed_case_and_numeric_names(self):
        names = ["C1orf43", "C1ORF43", "914", *(f"g{i}" for i in range(50))]
        ranking = pd.Series(np.linspace(1, -1, 53), index=names)
        sets = {f"set{i}": ["CD3D", "C1orf43"] for i in range(25)} | {"number": ["914", "CD4"]}
        table = prerank(ranking, sets, min_size=1, n_permutations=20).set_index("Term")
        assert set(table.index) == set(sets)
        assert (table.loc[table.index != "number", "Lead_genes"] == "C1orf43").all()
        assert table.loc["number", "Lead_genes"] == "914"

    def test_order_of_the_input_and_ties_do_not_matter(self, ranking, capfd):
        tied = ranking.round(1).where(ranking.abs() > 0.5, 0.0)
        first = prerank(tied, SETS, n_permutations=50)
        second = prerank(tied.sort_index(), SETS, n_permutations=50)
        pd.testing.assert_frame_equal(first, second)
        assert tied.duplicated().any()
        assert capfd.readouterr().err == ""

    def test_alphabet_does_not_make_a_family_of_silent_genes_significant(self):
        names = [f"A{i}" for i in range(100)] + [f"OR{i}" for i in range(300)]
        ranking = pd.Series(0.0, index=names)
        ranking[:20] = np.linspace(2, 1, 20)
        family = {"receptors": names[100:130], "expressed": names[:15]}
        table = prerank(ranking, family, n_permutations=200).set_index("Term")
        assert table.loc["receptors", "FDR q-val"] > 0.05 > table.loc["expressed", "FDR q-val"]
        assert np.isfinite(table.select_dtypes("number")).all(axis=None)

    def test_nothing_but_zeros(self):
        table = prerank(pd.Series(0.0, index=GENES), SETS, n_permutations=50)
        assert len(table) == 3
        assert (table["NOM p-val"] > 0.001).all()

    def test_p_values_claim_no_more_than_the_permutations_show(self, ranking):
        table = prerank(ranking, SETS, n_permutations=40).set_index("Term")
        for name in ("top", "bottom"):  # no random set reaches them
            n_of_the_sign = 1 / table.loc[name, "NOM p-val"] - 1
            assert n_of_the_sign == pytest.approx(round(n_of_the_sign))
            assert 10 <= n_of_the_sign <= 30
        assert (table["FDR q-val"] >= table["NOM p-val"]).all()

    def test_random_rankings_have_small_p_values_as_rarely_as_they_say(self):
        generator = np.random.default_rng(0)
        p_values = []
        for seed in range(30):
            ranking = pd.Series(generator.normal(size=200), index=GENES)
            sets = {f"s{i}": generator.choice(GENES, 15, replace=False) for i in range(20)}
            table = prerank(ranking, sets, n_permutations=10, seed=seed)
            p_values.append(table["NOM p-val"])
        p_values = np.concatenate(p_values)
        for level in (0.05, 0.1, 0.2):
            assert (p_values <= level).sum() <= binom.ppf(0.999, len(p_values), level)

    @pytest.mark.parametrize(
        ("sets", "limits"),
        [
            ({"small": GENES[:4], "unknown": ["X"] * 9}, {}),
            ({"large": GENES[:30]}, {"max_size": 29}),
            ({"all": GENES}, {}),
            ({}, {}),
        ],
    )
    def test_no_testable_set_is_an_empty_table(self, ranking, sets, limits, capfd):
        empty = prerank(ranking, sets, **limits)
        full = prerank(ranking, SETS, n_permutations=20)
        assert empty.shape == (0, len(PRERANK_COLUMNS))
        assert (empty.dtypes == full.dtypes).all()
        assert capfd.readouterr().err == ""

    def test_limits_count_ranked_genes_and_include_their_ends(self, ranking):
        sets = {"five": [*GENES[:5], "X", "Y"], "six": GENES[:6], "seven": GENES[:7]}
        table = prerank(ranking, sets, min_size=6, max_size=6, n_permutations=20)
        assert table["Term"].tolist() == ["six"]

    def test_errors(self, ranking):
        with pytest.raises(ValueError, match=r"1 occur more than once: 'Gene0'.*groupby"):
            prerank(pd.concat([ranking, ranking[["Gene0"]]]), SETS)
        for wrong in (np.nan, np.inf):
            with pytest.raises(ValueError, match=r"1 of 200 are missing or infinite: 'Gene7'"):
                prerank(ranking.where(ranking.index != "Gene7", wrong), SETS)
        with pytest.raises(ValueError, match="at least 2 genes, found 0"):
            prerank(ranking[:0], SETS)
        for name in ("n_permutations", "min_size", "max_size"):
            with pytest.raises(ValueError, match=f"`{name}` to be a whole number"):
                prerank(ranking, SETS, **{name: 0})

    def test_ranking_is_not_changed(self, ranking):
        before = ranking.copy()
        prerank(ranking, SETS, n_permutations=20)
        pd.testing.assert_series_equal(ranking, before)


class TestLibraries:
    def test_fetched_whole_by_name(self, monkeypatch):
        calls = []

        def get_library(name, **arguments):
            calls.append((name, arguments))
            return {"T cell": ["CD3D", "CD3E", "CD3D"]}

        monkeypatch.setattr(gseapy, "get_library", get_library)
        assert read_gene_sets("WikiPathways_2024_Mouse", organism="Mouse") == {
            "T cell": ["CD3D", "CD3E"]
        }
        ((name, arguments),) = calls
        assert (name, arguments["organism"]) == ("WikiPathways_2024_Mouse", "Mouse")
        assert arguments["max_size"] > 30_000  # gseapy drops sets of more than 2000 genes

    def test_file_without_ending_comes_first(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "KEGG_2021_Human").write_text("mine\t\tCD3D\n")
        monkeypatch.setattr(gseapy, "get_library", lambda *_, **__: pytest.fail("looked up"))
        assert read_gene_sets("KEGG_2021_Human") == {"mine": ["CD3D"]}

    @pytest.mark.parametrize(
        ("raised", "expected", "message"),
        [
            (ConnectionRefusedError("no"), ConnectionError, "server was not reached"),
            (TimeoutError("no"), ConnectionError, r"not reached \(TimeoutError\)"),
            (RuntimeError("busy"), ConnectionError, r"could not be used \(RuntimeError: busy\)"),
            (ValueError("Sorry."), ValueError, r"'KEGG' is neither \(Sorry\.\).*get_library_name"),
        ],
    )
    def test_failure_says_what_works_offline(self, monkeypatch, raised, expected, message):
        def get_library(*_, **__):
            raise raised

        monkeypatch.setattr(gseapy, "get_library", get_library)
        with pytest.raises(expected, match=rf"{message}.*Offline, give the path of a GMT file"):
            read_gene_sets("KEGG")


class TestGenePanel:
    def test_union_sizes_and_overlap(self, tmp_path):
        path = tmp_path / "kegg.gmt"
        path.write_text("x\t\tA\tD\ny\t\tE\tD\n")
        panel = gene_panel({"b": ["C", "A"], "a": ["B", "C"]}, path, {"z": ["A"]})
        assert panel.genes == ["C", "A", "B", "D", "E"]
        assert panel.n_per_source == [3, 3, 1]
        assert panel.n_shared == 1

    def test_disjoint_sources_add_up_as_in_the_paper(self):
        cancer = {f"c{i}": [f"C{j}" for j in range(i * 80, i * 80 + 201)] for i in range(14)}
        kegg = {f"k{i}": [f"K{j}" for j in range(i * 43, i * 43 + 80)] for i in range(10)}
        panel = gene_panel(cancer, kegg)
        assert panel.n_per_source == [1241, 467]
        assert (len(panel.genes), panel.n_shared) == (1708, 0)

    def test_no_source(self):
        with pytest.raises(ValueError, match="at least one source"):
            gene_panel()


class TestWriteRnk:
    def test_gseapy_reads_the_same_ranking(self, ranking, tmp_path):
        path = write_rnk(ranking, tmp_path / "B cell.rnk")
        read = pd.read_csv(path, sep="\t", header=None, index_col=0, dtype=str).astype(float)
        expected = ranking.sort_values(ascending=False)
        assert read.index.tolist() == expected.index.tolist()
        np.testing.assert_array_equal(read[1], expected)
        sets = {name.upper(): genes for name, genes in SETS.items()}
        table = gseapy.prerank(
            str(path), sets, permutation_num=10, min_size=5, outdir=None, no_plot=True
        ).res2d
        assert len(table) == 3

    def test_missing_scores_and_ties(self, tmp_path):
        scores = pd.Series({"b": 0.0, "c": np.nan, "a": 0.0, "d": -1e-9}, dtype="float32")
        path = write_rnk(scores, tmp_path / "x.rnk")
        lines = path.read_text().splitlines()
        assert [line.split("\t")[0] for line in lines] == ["a", "b", "d"]
        assert float(lines[2].split("\t")[1]) == np.float32(-1e-9)

    @pytest.mark.parametrize(
        ("scores", "message"),
        [
            (pd.Series([1.0, 2.0], index=["a", "a"]), "more than once"),
            (pd.Series([1.0, np.inf], index=["a", "b"]), "infinite: 'b'"),
            (pd.Series([1.0, 2.0], index=["a", "b\tc"]), "without tabs"),
            (pd.Series([1.0, np.nan], index=["a", "b"]), "at least 2 genes, found 1"),
        ],
    )
    def test_broken_ranking_writes_nothing(self, scores, message, tmp_path):
        with pytest.raises(ValueError, match=message):
            write_rnk(scores, tmp_path / "x.rnk")
        assert list(tmp_path.iterdir()) == []

    def test_folder_must_exist(self, ranking, tmp_path):
        with pytest.raises(FileNotFoundError, match="existing folder"):
            write_rnk(ranking, tmp_path / "absent" / "x.rnk")

    def test_one_safe_file_a_class(self, ranking, tmp_path):
        labels = ["CD4+/CD25 T Reg", "CD4+|CD25 T Reg", "../B cell", "b CELL", "B cell", "unseen"]
        table = pd.DataFrame(dict.fromkeys(labels, ranking)).assign(unseen=np.nan)
        table["B cell"] *= 2
        files = write_rnk_by_class(table, tmp_path / "new")
        assert list(files) == labels[:-1]
        names = [path.name for path in files.values()]
        assert names[:2] == ["CD4+_CD25_T_Reg.rnk", "CD4+_CD25_T_Reg_2.rnk"]
        assert len({name.lower() for name in names}) == len(names)
        assert {path.parent for path in files.values()} == {tmp_path / "new"}
        assert {path.name for path in (tmp_path / "new").iterdir()} == set(names)
        top = float(files["B cell"].read_text().split("\n")[0].split("\t")[1])
        assert top == pytest.approx(2 * ranking.max())
