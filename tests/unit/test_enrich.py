"""Gene sets are read as written, and gseapy's numbers are those of scipy."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, false_discovery_control, fisher_exact, hypergeom

from tgem.enrich import RESULT_COLUMNS, over_representation, read_gene_sets

BACKGROUND = [f"Gene{i}" for i in range(100)]


def write(tmp_path, text):
    path = tmp_path / "sets.gmt"
    path.write_text(text, encoding="utf-8")
    return path


class TestReadGeneSets:
    def test_gmt_with_empty_and_repeated_fields(self, tmp_path):
        path = write(tmp_path, "\ufeffB cell\t\tCD79A\t MS4A1\tCD79A\t\t\r\n\nT cell\tnote\tCD3D\n")
        expected = {"B cell": ["CD79A", "MS4A1"], "T cell": ["CD3D"]}
        assert read_gene_sets(path) == expected
        assert read_gene_sets(str(path)) == expected

    def test_dictionary_keeps_order_and_is_not_changed(self):
        source = {"b": ("Y", "X", "Y"), "a": ["Z"]}
        result = read_gene_sets(source)
        assert list(result.items()) == [("b", ["Y", "X"]), ("a", ["Z"])]
        assert source == {"b": ("Y", "X", "Y"), "a": ["Z"]}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a\t\tX\nb,,Y\n", r"line 2, has no tab: 'b,,Y'"),
            ("a\t\tX\nb\t\tY\na\t\tZ\n", r"'a' of .*line 3, is already in line 1"),
            ("a\t\tX\nb\tY\t\n", r"'b' of .*line 2, has none"),
            ("\t\tX\n", r"line 1, starts with an empty field"),
            ("\n \n", r"sets\.gmt has none"),
        ],
    )
    def test_broken_file_is_named_with_its_line(self, tmp_path, text, message):
        path = write(tmp_path, text)
        with pytest.raises(ValueError, match=message) as error:
            read_gene_sets(path)
        assert str(path) in str(error.value)

    @pytest.mark.parametrize("source", ["absent.gmt", "folder/KEGG_2021_Human", Path("KEGG")])
    def test_missing_file_is_no_library(self, source, monkeypatch):
        monkeypatch.setattr("gseapy.get_library", lambda *_, **__: pytest.fail("looked up"))
        with pytest.raises(FileNotFoundError, match=f"no file {str(source)!r}.*bare name"):
            read_gene_sets(source)

    @pytest.mark.parametrize("value", ["CD3D", [1, 2]])
    def test_value_that_is_no_list_of_names(self, value):
        with pytest.raises(TypeError, match="'T cell' to be a list of gene names"):
            read_gene_sets({"T cell": value})

    def test_empty_sets(self):
        with pytest.raises(ValueError, match="1 of 2 have none: 'b'"):
            read_gene_sets({"a": ["X"], "b": []})
        with pytest.raises(ValueError, match="at least one gene set"):
            read_gene_sets({})


class TestOverRepresentation:
    def test_numbers_are_those_of_scipy(self):
        genes = BACKGROUND[:20]
        sets = {"half": BACKGROUND[10:30], "most": BACKGROUND[2:12], "one": BACKGROUND[19:60]}
        table = over_representation(genes, sets, BACKGROUND).set_index("Term")
        assert list(table.index) == ["most", "half", "one"]
        for name, members in sets.items():
            shared = len(set(genes) & set(members))
            only_set, only_genes = len(members) - shared, 20 - shared
            rest = 100 - shared - only_set - only_genes
            tail = hypergeom.sf(shared - 1, 100, len(members), 20)
            square = [[shared, only_set], [only_genes, rest]]
            fisher = fisher_exact(square, alternative="greater").pvalue
            assert table.loc[name, "P-value"] == pytest.approx(tail, rel=1e-9)
            assert table.loc[name, "P-value"] == pytest.approx(fisher, rel=1e-6)
            assert table.loc[name, "Overlap"] == f"{shared}/{len(members)}"
            odds = (shared + 0.5) * (rest + 0.5) / ((only_set + 0.5) * (only_genes + 0.5))
            assert table.loc[name, "Odds Ratio"] == pytest.approx(odds)
            assert table.loc[name, "Combined Score"] == pytest.approx(-np.log(tail) * odds)
        adjusted = false_discovery_control(table["P-value"])
        np.testing.assert_allclose(table["Adjusted P-value"], adjusted)

    def test_sets_without_a_shared_gene_are_tests_too(self):
        genes, shared = BACKGROUND[:10], {"a": BACKGROUND[5:15], "b": BACKGROUND[8:30]}
        others = {f"other {i}": BACKGROUND[40 + i : 50 + i] for i in range(30)}
        small = {"small": BACKGROUND[50:54]}
        table = over_representation(genes, shared | others | small, BACKGROUND)
        assert table["Term"].tolist() == ["a", "b"]
        p_values = np.append(table["P-value"], np.ones(30))
        adjusted = false_discovery_control(p_values)[:2]
        np.testing.assert_allclose(table["Adjusted P-value"], adjusted)

    def test_min_size_counts_genes_of_the_background(self):
        sets = {"four": [*BACKGROUND[:4], "ABSENT"], "five": BACKGROUND[:5]}
        table = over_representation(BACKGROUND[:10], sets, BACKGROUND)
        assert table["Term"].tolist() == ["five"]
        table = over_representation(BACKGROUND[:10], sets, BACKGROUND, min_size=4)
        assert set(table["Term"]) == {"four", "five"}
        with pytest.raises(ValueError, match="`min_size` to be a whole number"):
            over_representation(BACKGROUND[:10], sets, BACKGROUND, min_size=0)

    def test_random_genes_seldom_find_a_set(self):
        """Few of the sets share a gene with the list, which is what makes their number matter."""
        generator = np.random.default_rng(0)
        background = np.array([f"g{i}" for i in range(20_000)])
        found = 0
        for _ in range(60):
            sets = {
                f"set {i}": generator.choice(background, generator.integers(5, 31), replace=False)
                for i in range(1000)
            }
            genes = generator.choice(background, 50, replace=False)
            table = over_representation(genes, sets, background)
            found += bool((table["Adjusted P-value"] <= 0.05).any())
        assert found <= binom.ppf(0.999, 60, 0.05)

    def test_sets_are_reduced_to_the_background(self):
        sets = {"a": [*BACKGROUND[:5], "ABSENT1", "ABSENT2"], "b": ["ABSENT3"]}
        table = over_representation(BACKGROUND[:10], sets, BACKGROUND)
        assert table["Overlap"].tolist() == ["5/5"]

    def test_shared_genes_come_in_the_order_of_the_list(self):
        genes = ["Gene7", "Gene3", "Gene9", "Gene1"]
        table = over_representation(
            genes, {"a": ["Gene1", "Gene9", "Gene7"]}, BACKGROUND, min_size=3
        )
        assert table["Genes"].tolist() == ["Gene7;Gene9;Gene1"]

    def test_mixed_case_symbols_are_not_lost(self):
        # gseapy alone turns the list to upper case here, and no longer finds C1orf43.
        sets = {f"set{i:02d}": ["CD3D"] for i in range(10)} | {"set99": ["C1orf43"]}
        background = ["CD3D", "C1orf43", "C1ORF43", "GAPDH"]
        table = over_representation(["C1orf43"], sets, background, min_size=1)
        assert table[["Term", "Genes"]].to_numpy().tolist() == [["set99", "C1orf43"]]

    def test_numeric_names_stay_text(self):
        table = over_representation(
            ["914", "915"], {"a": ["914"]}, ["914", "915", "916"], min_size=1
        )
        assert table["Genes"].tolist() == ["914"]

    @pytest.mark.parametrize("genes", [["Gene1"], []])
    def test_no_overlap_is_an_empty_table_without_noise(self, genes, capfd):
        table = over_representation(genes, {"a": ["Gene2"], "b": ["X"]}, BACKGROUND, min_size=1)
        assert table.shape == (0, len(RESULT_COLUMNS))
        full = over_representation(["Gene2"], {"a": ["Gene2"]}, BACKGROUND, min_size=1)
        assert list(table.columns) == list(full.columns) == list(RESULT_COLUMNS)
        assert (table.dtypes == full.dtypes).all()
        assert capfd.readouterr().err == ""

    def test_gene_outside_the_background(self):
        with pytest.raises(ValueError, match="100 genes but 1 of 2 are not: 'X'"):
            over_representation(["Gene1", "X"], {"a": ["Gene1"]}, BACKGROUND)

    def test_p_value_below_the_smallest_float_is_zero(self):
        background = [f"G{i}" for i in range(4000)]
        table = over_representation(background[:600], {"a": background[:600]}, background)
        assert table.loc[0, "P-value"] == 0
        assert np.isinf(table.loc[0, "Combined Score"])

    @settings(max_examples=25, deadline=None)
    @given(st.permutations(range(12)), st.integers(1, 11))
    def test_order_of_the_background_does_not_matter(self, order, n_genes):
        background = [f"g{i}" for i in range(12)]
        sets = {"a": background[:4], "b": background[3:9]}
        shuffled = [background[i] for i in order]
        first = over_representation(background[:n_genes], sets, background, min_size=4)
        second = over_representation(background[:n_genes], sets, shuffled, min_size=4)
        assert first.equals(second)
