"""CpGs around starts of transcription, from bedMethyl and Bismark coverage."""

import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tgem
from tgem._core.errors import GenomeWarning

sys.path.insert(0, str(Path(__file__).parents[1]))
from epigenome_files import write_text

GENES = pd.DataFrame(
    {"chrom": "chr1", "tss": [1000, 1000, 5000], "strand": ["+", "-", "+"]}, index=list("ABC")
)
WINDOW = (-100, 100)


def bismark(path, rows):
    """Rows of chromosome, C on the plus strand from 0, methylated, unmethylated."""
    lines = [
        f"{chrom}\t{at + 1}\t{at + 1}\t{100 * yes / (yes + no)}\t{yes}\t{no}"
        for chrom, at, yes, no in rows
    ]
    return write_text(path, "\n".join(lines) + "\n")


def bedmethyl(path, rows, code="sample 1", extra=""):
    """Rows of chromosome, base from 0, strand, coverage, percentage."""
    lines = [
        f"{chrom}\t{at}\t{at + 1}\t{code}\t{cov}\t{strand}\t{at}\t{at + 1}\t0\t{cov}\t{pct}{extra}"
        for chrom, at, strand, cov, pct in rows
    ]
    return write_text(path, "\n".join(lines) + "\n")


def cpgs(adata, gene):
    """(position, methylation) of a gene's CpGs, and coverage if it was asked for."""
    row = adata[gene]
    features = list(dict.fromkeys(adata.var["feature"]))
    table = row.X.reshape(-1, len(features))
    table = table[~np.isnan(table).any(axis=1)]
    assert len(table) == row.obs["n_cpg"].iloc[0]
    return table[:, [1, 0, *range(2, len(features))]]


def test_positions_follow_transcription(tmp_path):
    path = bismark(tmp_path / "a.cov", [("1", 950, 1, 3), ("1", 1020, 4, 0), ("1", 1099, 1, 1)])
    adata = tgem.pp.methylation_sequence(path, GENES, WINDOW)
    np.testing.assert_allclose(cpgs(adata, "A"), [[-0.5, 0.25], [0.2, 1], [0.99, 0.5]], atol=1e-6)
    # On the minus strand, the C of a CpG is one base further.
    np.testing.assert_allclose(cpgs(adata, "B"), [[-1, 0.5], [-0.21, 1], [0.49, 0.25]], atol=1e-6)
    assert adata.obs["n_cpg"].tolist() == [3, 3, 0]
    assert np.isnan(adata["C"].X).all()
    assert adata.var["slot"].tolist() == [0, 0, 1, 1, 2, 2]


@given(seed=st.integers(0, 2**16))
@settings(max_examples=20, deadline=None)
def test_mirrored_files_give_the_same(tmp_path_factory, seed):
    rng = np.random.default_rng(seed)
    folder, size = tmp_path_factory.mktemp("m"), 2000
    places = np.sort(rng.choice(np.arange(0, size - 1, 2), 60, replace=False)).tolist()
    rows = [
        ("chr1", at + int(strand == "-"), strand, int(rng.integers(1, 30)), int(rng.integers(101)))
        for at in places
        for strand in "+-"
        if rng.random() < 0.8
    ]
    flipped = [
        (chrom, size - 1 - at, "-" if strand == "+" else "+", cov, pct)
        for chrom, at, strand, cov, pct in rows
    ]
    plus = pd.DataFrame({"chrom": "chr1", "tss": [1001], "strand": ["+"]}, index=["G"])
    minus = plus.assign(tss=size - 1 - 1001, strand="-")
    options = {"window": (-700, 400), "with_coverage": True}
    a = tgem.pp.methylation_sequence(bedmethyl(folder / "a.bed", rows), plus, **options)
    b = tgem.pp.methylation_sequence(bedmethyl(folder / "b.bed", flipped), minus, **options)
    np.testing.assert_allclose(a.X, b.X, rtol=1e-5, atol=1e-6)
    inside = [row for row in rows if 301 <= row[1] - (row[2] == "-") < 1401]
    found = cpgs(a, "G")
    assert found[:, 2].sum() == sum(row[3] for row in inside)
    reads = sum(cov * pct / 100 for _, _, _, cov, pct in inside)
    np.testing.assert_allclose((found[:, 1] * found[:, 2]).sum(), reads, rtol=1e-5)


def test_strands_are_added_up(tmp_path):
    rows = [("chr1", 1010, "+", 10, 50), ("chr1", 1011, "-", 30, 90), ("chr1", 1051, "-", 5, 20)]
    path = bedmethyl(tmp_path / "a.bed.gz", rows)
    one = tgem.pp.methylation_sequence(path, GENES, WINDOW, with_coverage=True)
    np.testing.assert_allclose(cpgs(one, "A"), [[0.1, 0.8, 40], [0.5, 0.2, 5]], rtol=1e-6)
    two = tgem.pp.methylation_sequence(path, GENES, WINDOW, combine_strands=False)
    np.testing.assert_allclose(cpgs(two, "A"), [[0.1, 0.5], [0.11, 0.9], [0.51, 0.2]], rtol=1e-5)
    neighbours = bismark(tmp_path / "b.cov", [("chr1", 1010, 5, 5), ("chr1", 1011, 27, 3)])
    same = tgem.pp.methylation_sequence(neighbours, GENES, WINDOW, with_coverage=True)
    np.testing.assert_allclose(cpgs(same, "A"), [[0.1, 0.8, 40]], rtol=1e-6)
    few = tgem.pp.methylation_sequence(path, GENES, WINDOW, min_coverage=6)
    assert few.obs["n_cpg"].tolist() == [1, 1, 0]


def test_modkit_keeps_5mc(tmp_path):
    rows = [("chr1", 1010, ".", 10, 50), ("chr1", 1020, ".", 10, 0)]
    m = bedmethyl(tmp_path / "m.bed", rows, "m", "\t1\t1\t1\t1\t1\t1\t1").read_text()
    h = bedmethyl(tmp_path / "h.bed", rows, "h", "\t1\t1\t1\t1\t1\t1\t1").read_text()
    path = write_text(tmp_path / "both.bed", m + h.replace("\t50\t", "\t7\t"))
    adata = tgem.pp.methylation_sequence(path, GENES, WINDOW)
    np.testing.assert_allclose(cpgs(adata, "A"), [[0.1, 0.5], [0.2, 0]], rtol=1e-6)


def test_closest_cpgs_stay(tmp_path):
    rows = [("chr1", at, 1, 1) for at in (910, 960, 1004, 1030, 1080)]
    adata = tgem.pp.methylation_sequence(
        bismark(tmp_path / "a.cov", rows), GENES, WINDOW, max_cpg=3
    )
    np.testing.assert_allclose(cpgs(adata, "A")[:, 0], [-0.4, 0.04, 0.3], atol=1e-6)
    assert adata.obs["n_left_out"].tolist() == [2, 2, 0]


def test_cell_types_and_missing_chromosomes(tmp_path):
    genes = GENES.assign(chrom=["chr1", "chr1", "chrY"])
    a = bismark(tmp_path / "a.cov", [("chr1", 1000, 1, 1), ("chrY", 5000, 2, 0)])
    b = bismark(tmp_path / "b.cov", [("chr1", 1000, 1, 3)])
    with pytest.warns(GenomeWarning, match=r"b\.cov lacks chromosomes: chrY \(1 genes\)"):
        adata = tgem.pp.methylation_sequence({"x": a, "y": b}, genes, WINDOW, genome="hg38")
    assert adata.obs_names.tolist() == ["A|x", "B|x", "C|x", "A|y", "B|y", "C|y"]
    assert adata.obs["n_cpg"].tolist() == [1, 1, 1, 1, 1, 0]
    adata.write_h5ad(tmp_path / "x.h5ad")
    back = ad.read_h5ad(tmp_path / "x.h5ad")
    assert back.uns["epi_preparation"]["settings"]["genome"] == "hg38"
    assert back.uns["epi_preparation"]["files"]["file"].tolist() == ["a.cov", "b.cov"]


GOOD = "chr1\t10\t10\t50\t1\t1\n"
BAD = {
    "percentage": (GOOD + "chr1\t20\t20\t150\t3\t0\n", "line 2: expected a percentage"),
    "negative": (GOOD + "chr1\t20\t20\t50\t-3\t0\n", "line 2: expected a percentage"),
    "text": (GOOD + "chr1\tx\t20\t50\t3\t0\n", "line 2: expected 6 columns"),
    "short": (GOOD + "chr1\t20\t20\t50\n", "line 2: expected 6 columns"),
    "base 0": ("chr1\t0\t0\t50\t1\t1\n", "line 1: expected 1 <= start"),
    "two ways": (GOOD + "chr1\t0\t1\t50\t1\t1\n", "expected a start of 1 or more.* found 0"),
    "backwards": (GOOD + "chr1\t20\t19\t50\t1\t1\n", "line 2: expected 0 <= start <= end"),
    "other": ("chr1\t0\t1\t50\n", "expected a bedMethyl or Bismark.* found 4 columns"),
    "twice": (GOOD.replace("10", "901") * 2, "every base once, found 1 twice, .* chr1:900-901"),
    "strand": ("\t".join(["chr1", "5", "6", "m", "1", "x", "5", "6", "0", "1", "0"]), "strand"),
    "no CpG": (GOOD, "Expected CpGs in the windows"),
    "other genome": (GOOD.replace("chr1", "NC_1"), "found those of 0 of 3"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_named(tmp_path, name):
    text, message = BAD[name]
    path = write_text(tmp_path / "bad.cov", text)
    with pytest.raises(ValueError, match=message) as error:
        tgem.pp.methylation_sequence(path, GENES, WINDOW)
    assert "bad.cov" in str(error.value)


BEDGRAPH_LIKE = "chr1\t{}\t{}\t50\t2\t2\n"


@pytest.mark.parametrize(
    ("name", "lines"),
    {
        "ordinary": ("a.cov", [(1011, 1011), (1012, 1012), (1051, 1051)]),
        "from zero": ("a.cov", [(1010, 1011), (1011, 1012), (1050, 1051)]),
        "from zero by name": ("a.bismark.zero.cov", [(1010, 1011), (1050, 1051)]),
        "merged": ("a.CpG_report.merged_CpG_evidence.cov", [(1011, 1012), (1051, 1052)]),
        "merged from zero": ("a.cov", [(1010, 1012), (1050, 1052)]),
    }.values(),
)
def test_bismark_counts_from_one_or_from_zero(tmp_path, name, lines):
    text = "".join(BEDGRAPH_LIKE.format(*line) for line in lines)
    adata = tgem.pp.methylation_sequence(write_text(tmp_path / name, text), GENES, WINDOW)
    np.testing.assert_allclose(cpgs(adata, "A"), [[0.1, 0.5], [0.5, 0.5]], rtol=1e-6)


def test_first_base_of_a_file_that_counts_from_zero(tmp_path):
    genes = pd.DataFrame({"chrom": "chr1", "tss": [50], "strand": ["+"]}, index=["A"])
    path = write_text(tmp_path / "a.cov", BEDGRAPH_LIKE.format(0, 1))
    adata = tgem.pp.methylation_sequence(path, genes, (-50, 50))
    np.testing.assert_allclose(cpgs(adata, "A"), [[-1, 0.5]])


def test_a_file_that_may_count_from_zero_is_reported(tmp_path):
    text = "".join(BEDGRAPH_LIKE.format(*line) for line in [(1011, 1012), (1051, 1052)])
    with pytest.warns(GenomeWarning, match=r"merged CpGs, whose first base is 1.*'\.zero\.'"):
        adata = tgem.pp.methylation_sequence(write_text(tmp_path / "a", text), GENES, WINDOW)
    np.testing.assert_allclose(cpgs(adata, "A")[:, 0], [0.1, 0.5], rtol=1e-6)


def test_shares_in_place_of_percentages(tmp_path):
    rows = [("chr1", at, "+", 10, share) for at, share in ((1010, 0.9), (1020, 1.0), (1030, 0))]
    with pytest.raises(ValueError, match=r"a\.bed.*11th.*none above 1, and 0\.9 of 10.*shares"):
        tgem.pp.methylation_sequence(bedmethyl(tmp_path / "a.bed", rows), GENES, WINDOW)
    percentages = [*rows, ("chr1", 1040, "+", 10, 80)]
    path = bedmethyl(tmp_path / "b.bed", percentages)
    assert tgem.pp.methylation_sequence(path, GENES, WINDOW)["A"].X[0, 0] < 0.01
    deep = [("chr1", 1010, "+", 200, 0.5), ("chr1", 1020, "+", 200, 0)]  # one read of 200
    path = bedmethyl(tmp_path / "c.bed", deep)
    assert tgem.pp.methylation_sequence(path, GENES, WINDOW)["A"].X[0, 0] == np.float32(0.005)


def test_truncated_file(tmp_path):
    path = bismark(tmp_path / "a.cov.gz", [("chr1", at, at % 7, 3) for at in range(9999)])
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(ValueError, match=r"a\.cov\.gz: .* beyond line \d+.*truncated"):
        tgem.pp.methylation_sequence(path, GENES, WINDOW)
