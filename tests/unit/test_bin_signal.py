"""Binned signal of tracks: against a loop over bases, at ends, and from bad files."""

import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tgem
from tgem._core.errors import GenomeWarning

sys.path.insert(0, str(Path(__file__).parents[1]))
from epigenome_files import (
    SIZES,
    base_by_base,
    random_intervals,
    write_bedgraph,
    write_bigwig,
    write_text,
)

WRITERS = {"t.bw": write_bigwig, "t.bedgraph": write_bedgraph, "t.bdg.gz": write_bedgraph}
KEY = "epi_preparation"


def gene_frame(*genes):
    """Genes G0, G1, ... from (chromosome, tss, strand)."""
    names = [f"G{number}" for number in range(len(genes))]
    return pd.DataFrame(list(genes), columns=["chrom", "tss", "strand"], index=names)


def binned(path, genes, window=(-200, 200), n_bins=4, **options):
    """Values of one track, genes x bins."""
    return tgem.pp.bin_signal({"mark": path}, genes, window, n_bins=n_bins, **options).X


@pytest.fixture(params=WRITERS)
def write(request, tmp_path):
    """Write intervals in one of the formats; returns the path."""
    return lambda intervals: WRITERS[request.param](tmp_path / request.param, intervals)


# -- values -----------------------------------------------------------------------------------


def reaches(gene, window, sizes):
    """Whether some base of the window is on the chromosome."""
    chrom, tss, strand = gene
    first, last = window[0], window[1] - 1
    places = (tss + first, tss + last) if strand == "+" else (tss - last, tss - first)
    return places[1] >= 0 and places[0] < sizes["chr" + chrom[-1]]


@given(seed=st.integers(0, 2**16), n_bins=st.sampled_from([1, 3, 8]), width=st.integers(1, 40))
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_loop_over_bases_gives_the_same(tmp_path, seed, n_bins, width):
    rng = np.random.default_rng(seed)
    sizes = {"chr1": 900, "chr2": 400}
    intervals = random_intervals(rng, sizes, density=0.1)
    first = int(rng.integers(-300, 50))
    window = (first, first + n_bins * width)
    drawn = [
        (chrom, int(rng.integers(sizes["chr" + chrom[-1]])), strand)
        for chrom in ("chr1", "2")
        for strand in "+-+-"
    ]
    genes = [gene for gene in drawn if reaches(gene, window, sizes)] or [("1", 450, "+")]
    expected = [base_by_base(intervals, gene, window, n_bins) for gene in genes]
    for name, writer in WRITERS.items():
        path = writer(tmp_path / name, intervals)
        found = binned(path, gene_frame(*genes), window, n_bins)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("strand", ["+", "-"])
@pytest.mark.parametrize("planted", [0, 7, 20, 39])
def test_planted_peak_is_in_its_bin(write, strand, planted):
    tss, (first, last) = 5000, (-2000 + 100 * planted, -1900 + 100 * planted)
    start, end = (tss + first, tss + last) if strand == "+" else (tss - last + 1, tss - first + 1)
    path = write([("chr1", start, end, 3.0), ("chr2", 1, 2, 1.0)])
    values = binned(path, gene_frame(("chr1", tss, strand)), (-2000, 2000), 40)
    expected = np.zeros((1, 40))
    expected[0, planted] = 3
    np.testing.assert_array_equal(values, expected)


def test_minus_strand_is_the_mirror_image(write):
    rng = np.random.default_rng(0)
    size, tss = SIZES["chr1"], 4000
    intervals = random_intervals(rng)
    mirrored = [
        (chrom, SIZES[chrom] - end, SIZES[chrom] - start, value)
        for chrom, start, end, value in reversed(intervals)
    ]
    plus = binned(write(intervals), gene_frame(("chr1", tss, "+")), (-1000, 500), 15)
    minus = binned(write(mirrored), gene_frame(("chr1", size - 1 - tss, "-")), (-1000, 500), 15)
    np.testing.assert_allclose(plus, minus, rtol=1e-6)


def test_ends_of_chromosomes_are_padded_and_counted(tmp_path):
    size = SIZES["chr2"]
    path = write_bigwig(tmp_path / "t.bw", [("chr2", 0, size, 1.0)])
    genes = gene_frame(("chr2", 150, "+"), ("chr2", size - 1, "+"), ("chr2", 0, "-"))
    adata = tgem.pp.bin_signal({"mark": path}, genes, (-200, 200), n_bins=4)
    expected = [[0.5, 1, 1, 1], [1, 1, 0.01, 0], [1, 1, 0.01, 0]]
    np.testing.assert_allclose(adata.X, expected, rtol=1e-6)
    assert adata.obs["n_padded"].tolist() == [50, 199, 199]


@pytest.mark.parametrize(("in_track", "in_genes"), [("chr1", "1"), ("1", "chr1"), ("chrM", "MT")])
def test_names_of_chromosomes(write, in_track, in_genes):
    sizes_known = in_track in SIZES
    intervals = [(in_track, 500, 600, 2.0)]
    path = (
        write(intervals)
        if sizes_known
        else write_bedgraph(write([("chr1", 0, 1, 1.0)]).with_suffix(".bg"), intervals)
    )
    assert binned(path, gene_frame((in_genes, 500, "+")), (0, 100), 1) == 2


def test_missing_chromosomes_are_nan_and_reported(tmp_path):
    full = write_bedgraph(tmp_path / "full.bg", [("chr1", 0, 900, 1.0), ("chrY", 0, 900, 1.0)])
    part = write_bigwig(tmp_path / "part.bw", [("chr1", 0, 900, 1.0)])
    genes = gene_frame(("chr1", 400, "+"), ("chr1", 500, "+"), ("chrY", 400, "+"))
    with pytest.warns(GenomeWarning, match=r"part\.bw lacks chromosomes: chrY \(1 genes\)"):
        adata = tgem.pp.bin_signal({"a": full, "b": part}, genes, (-100, 100), n_bins=2)
    assert np.isnan(adata.X).tolist() == [[False] * 4, [False] * 4, [True] * 4]


def test_layout_of_the_result(tmp_path):
    intervals = random_intervals(np.random.default_rng(1))
    a, b = (write_bedgraph(tmp_path / f"{name}.bg", intervals[i:]) for i, name in enumerate("ab"))
    genes = gene_frame(("chr1", 3000, "+"), ("chr2", 3000, "-"))
    tracks = {"liver": {"K4": a, "K27": b}, "brain": {"K27": a, "K4": b}}
    adata = tgem.pp.bin_signal(tracks, genes, (-300, 100), n_bins=4, genome="GRCh38")
    assert adata.obs_names.tolist() == ["G0|liver", "G1|liver", "G0|brain", "G1|brain"]
    assert adata.obs["gene_id"].tolist() == ["G0", "G1"] * 2
    assert adata.obs["cell_type"].tolist() == ["liver", "liver", "brain", "brain"]
    assert adata.obs["strand"].tolist() == ["+", "-"] * 2
    assert adata.var["mark"].tolist() == ["K4"] * 4 + ["K27"] * 4
    assert adata.var["start"].tolist() == [-300, -200, -100, 0] * 2
    np.testing.assert_array_equal(adata.X[:2, :4], adata.X[2:, 4:])
    np.testing.assert_array_equal(adata.X[:2, :4], binned(a, genes, (-300, 100), 4))
    stated = adata.uns[KEY]["settings"]
    assert stated == {
        "measurement": "histone",
        "genome": "hg38",
        "window": [-300, 100],
        "bin_width": 100,
        "transform": "none",
    }
    files = adata.uns[KEY]["files"]
    assert files["file"].tolist() == ["a.bg", "b.bg", "b.bg", "a.bg"]
    total = sum((end - start) * value for _, start, end, value in intervals)
    np.testing.assert_allclose(files["total_signal"].iloc[0], total, rtol=1e-6)


def test_result_survives_h5ad(tmp_path):
    path = write_bedgraph(tmp_path / "a.bg", random_intervals(np.random.default_rng(2)))
    genes = gene_frame(("chr1", 3000, "+"), ("chr2", 3000, "-"))
    options = {"transform": ("log1p", "quantile"), "n_bins": 4}
    adata = tgem.pp.bin_signal({"x": {"a/b": path}, "y": {"a/b": path}}, genes, **options)
    adata.write_h5ad(tmp_path / "x.h5ad")
    back = ad.read_h5ad(tmp_path / "x.h5ad")
    np.testing.assert_array_equal(back.X, adata.X)
    assert list(back.uns[KEY]["settings"]["window"]) == [-2000, 2000]
    again = tgem.pp.bin_signal({"a/b": path}, genes, **options, reference=back)
    np.testing.assert_allclose(again.X, adata.X[:2], rtol=1e-6)
    assert again.uns[KEY]["settings"] == adata.uns[KEY]["settings"]


def test_several_processes_give_the_same(tmp_path):
    rng = np.random.default_rng(3)
    tracks = {name: write_bigwig(tmp_path / f"{name}.bw", random_intervals(rng)) for name in "abc"}
    genes = gene_frame(*[("chr1", int(tss), "+-"[tss % 2]) for tss in rng.integers(0, 12000, 30)])
    one = tgem.pp.bin_signal(tracks, genes, n_bins=8)
    two = tgem.pp.bin_signal(tracks, genes, n_bins=8, n_jobs=2)
    np.testing.assert_array_equal(one.X, two.X)
    with pytest.raises(ValueError, match="n_bins"):
        tgem.pp.bin_signal(tracks, genes, n_bins=7, n_jobs=2)


# -- transformations --------------------------------------------------------------------------


def test_nothing_is_transformed_unless_asked(tmp_path):
    path = write_bedgraph(tmp_path / "a.bg", [("chr1", 0, 1000, 4.0)])
    genes = gene_frame(("chr1", 500, "+"))
    assert binned(path, genes).tolist() == [[4, 4, 4, 4]]
    np.testing.assert_allclose(binned(path, genes, transform="log1p"), np.log(5), rtol=1e-6)
    scaled = binned(path, genes, transform=["library_size", "log1p"])
    np.testing.assert_allclose(scaled, np.log1p(1e9 / 1000), rtol=1e-6)


def test_library_size_removes_depth(write):
    intervals = random_intervals(np.random.default_rng(4))
    genes = gene_frame(("chr1", 5000, "+"), ("chr2", 5000, "-"))
    shallow = binned(write(intervals), genes, transform="library_size")
    deeper = [(chrom, start, end, 8 * value) for chrom, start, end, value in intervals]
    deep = binned(write(deeper), genes, transform="library_size")
    np.testing.assert_allclose(shallow, deep, rtol=1e-5)
    assert shallow.max() > 0


def test_quantiles_are_those_of_all_cell_types(tmp_path):
    rng = np.random.default_rng(5)
    tracks = {}
    for cell_type, shape in (("x", 1.0), ("y", 3.0)):
        heights = rng.gamma(shape, size=600).tolist()
        intervals = [("chr1", 20 * i, 20 * i + 20, height) for i, height in enumerate(heights)]
        tracks[cell_type] = {"mark": write_bigwig(tmp_path / f"{cell_type}.bw", intervals)}
    places = rng.choice(np.arange(300, 11_000), 40, replace=False)
    genes = gene_frame(*[("chr1", int(tss), "+") for tss in places])
    plain = tgem.pp.bin_signal(tracks, genes, (-100, 100), n_bins=10)
    equal = tgem.pp.bin_signal(tracks, genes, (-100, 100), n_bins=10, transform="quantile")
    parts = (slice(40), slice(40, None))
    reference = np.mean([np.sort(plain.X[part].ravel()) for part in parts], axis=0)
    for part in parts:
        order = np.argsort(plain.X[part].ravel(), kind="stable")
        np.testing.assert_allclose(equal.X[part].ravel()[order], reference, rtol=0.02, atol=0.02)
    assert len(equal.uns[KEY]["settings"]["quantiles"]) == 16


def test_transformations_that_cannot_be(tmp_path):
    negative = write_bedgraph(tmp_path / "a.bg", [("chr1", 0, 1000, -4.0)])
    genes = gene_frame(("chr1", 500, "+"))
    with pytest.raises(ValueError, match=r"a\.bg: expected values of at least 0"):
        binned(negative, genes, transform="log1p")
    with pytest.raises(ValueError, match=r"a\.bg: expected a total signal above 0"):
        binned(negative, genes, transform="library_size")
    with pytest.raises(ValueError, match="several cell types"):
        binned(negative, genes, transform="quantile")
    with pytest.raises(ValueError, match="Expected `transform` to be"):
        binned(negative, genes, transform="log2")


# -- files that cannot be read ----------------------------------------------------------------


BAD_LINES = {
    "letters": ("chr1\t1\t2\t3\nchr1\t5\tsix\t1\n", "line 2: expected chromosome, start, end"),
    "too few": ("chr1\t1\t2\t3\n\nchr1\t5\t6\n", "line 3: expected chromosome, start, end"),
    "too many": ("chr1\t1\t2\t3\t9\t9\n", "line 1: expected chromosome, start, end"),
    "not finite": ("chr1\t1\t2\tnan\n", "line 1: .* a number"),
    "backwards": ("#x\nchr1\t9\t2\t3\n", "line 2: expected 0 <= start < end"),
    "unsorted": ("chr1\t7\t9\t3\nchr1\t2\t3\t3\n", "line 2: .*in order.* chr1:2-3 after base 9"),
    "overlapping": ("chr1\t7\t9\t3\nchr1\t8\t9\t3\n", "line 2: .*without overlap.*bedtools"),
    "torn": ("chr1\t7\t9\t3\nchr2\t8\t9\t3\nchr1\t10\t11\t1\n", "line 3: .*after another chrom"),
    "two tracks": ("track\nchr1\t7\t9\t3\ntrack\nchr1\t8\t9\t3\n", "line 3: expected one track"),
    "only comments": ("# nothing\n\n", "expected lines of data"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_bad_lines_are_named(tmp_path, name):
    text, message = BAD_LINES[name]
    path = write_text(tmp_path / "bad.bedgraph", text)
    with pytest.raises(ValueError, match=r"bad\.bedgraph.*" + message):
        binned(path, gene_frame(("chr1", 500, "+")))


def test_bad_files_are_named(tmp_path):
    genes = gene_frame(("chr1", 500, "+"))
    with pytest.raises(FileNotFoundError, match=r"absent\.bw, found nothing"):
        binned(tmp_path / "absent.bw", genes)
    with pytest.raises(ValueError, match=r"empty\.bw, found an empty file"):
        binned(write_text(tmp_path / "empty.bw", ""), genes)
    whole = write_text(
        tmp_path / "t.bg.gz", "".join(f"chr1\t{i}\t{i + 1}\t{i}\n" for i in range(9999))
    )
    whole.write_bytes(whole.read_bytes()[:9000])
    with pytest.raises(
        ValueError, match=r"t\.bg\.gz: could not be read beyond line \d+.*truncated"
    ):
        binned(whole, genes)
    binary = tmp_path / "b.bam"
    binary.write_bytes(b"BAM\1\0\0")
    with pytest.raises(ValueError, match="another binary format"):
        binned(binary, genes)


def test_truncated_bigwig(tmp_path):
    whole = write_bigwig(tmp_path / "t.bw", random_intervals(np.random.default_rng(6)))
    content = whole.read_bytes()
    for share in (0.2, 0.6, 0.999):
        whole.write_bytes(content[: int(share * len(content))])
        with pytest.raises(ValueError, match=r"t\.bw: .*truncated"):
            binned(whole, gene_frame(("chr1", 500, "+")))


def test_damaged_bigwig(tmp_path, capfd):
    whole = write_bigwig(tmp_path / "t.bw", random_intervals(np.random.default_rng(7)))
    content = bytearray(whole.read_bytes())
    data = int.from_bytes(content[16:24], "little")
    content[data + 8 : data + 200] = bytes(192)
    whole.write_bytes(content)
    with pytest.raises(ValueError, match=r"t\.bw: could not read chr1:300-700.*damaged"):
        binned(whole, gene_frame(("chr1", 500, "+")))
    capfd.readouterr()  # what pybigtools prints


def test_without_pybigtools(tmp_path, monkeypatch):
    path = write_bigwig(tmp_path / "t.bw", random_intervals(np.random.default_rng(8)))
    monkeypatch.setitem(sys.modules, "pybigtools", None)
    with pytest.raises(ImportError, match=r"pip install 'tgem\[epigenome\]'"):
        binned(path, gene_frame(("chr1", 500, "+")))


def test_bigwig_of_any_name(tmp_path):
    path = write_bigwig(tmp_path / "t.bw", [("chr1", 500, 600, 2.0)])
    odd = path.rename(tmp_path / "signal.track")
    assert binned(odd, gene_frame(("chr1", 500, "+")), (0, 100), 1) == 2


# -- other genomes ----------------------------------------------------------------------------


def test_tracks_of_two_genomes(tmp_path):
    a = write_bigwig(tmp_path / "a.bw", [("chr1", 0, 9, 1.0)], {"chr1": 249_250_621})
    b = write_bigwig(tmp_path / "b.bw", [("chr1", 0, 9, 1.0)], {"chr1": 248_956_422})
    genes = gene_frame(("chr1", 5000, "+"))
    with pytest.raises(ValueError, match=r"b\.bw: .*249,250,621.*a\.bw, found 248,956,422.*hg38's"):
        tgem.pp.bin_signal({"a": a, "b": b}, genes)
    with pytest.raises(ValueError, match=r"a\.bw: .*the genome 'GRCh38'.*hg19's"):
        tgem.pp.bin_signal({"a": a}, genes, genome="GRCh38")
    old, new = (
        write_bigwig(tmp_path / name, [("chrM", 0, 9, 1.0), ("chr1", 0, 9, 1.0)], sizes)
        for name, sizes in (
            ("old.bw", {"chrM": 16_571, "chr1": 249_250_621}),
            ("new.bw", {"chrM": 16_569, "chr1": 249_250_621}),
        )
    )
    assert tgem.pp.bin_signal({"a": old, "b": new}, genes).n_obs == 1
    told = tgem.pp.bin_signal({"a": a}, genes)
    assert told.uns[KEY]["settings"]["genome"] == "hg19"


def test_genes_beyond_the_end(tmp_path):
    path = write_bigwig(tmp_path / "a.bw", [("chr1", 0, 9, 1.0)])
    genes = gene_frame(("chr1", 5000, "+"), ("1", SIZES["chr1"], "+"))
    with pytest.raises(
        ValueError, match=r"1 of 2 genes beyond.*'G1' at 1:12000.*12,000 bases.*same"
    ):
        binned(path, genes)
    with pytest.raises(ValueError, match="beyond the ends"):
        binned(path, gene_frame(("chr1", 100, "+")), (-900, -500), 4)


def test_bedgraph_beyond_the_end(tmp_path):
    a = write_bigwig(tmp_path / "a.bw", [("chr1", 0, 9, 1.0)])
    b = write_bedgraph(tmp_path / "b.bg", [("chr1", 13_000, 13_009, 1.0)])
    with pytest.raises(ValueError, match=r"b\.bg: expected positions up to 12,000.*found 13,009"):
        tgem.pp.bin_signal({"a": a, "b": b}, gene_frame(("chr1", 5000, "+")))


def test_most_chromosomes_absent(tmp_path):
    path = write_bedgraph(tmp_path / "a.bg", [("NC_000001.11", 0, 9, 1.0)])
    with pytest.raises(ValueError, match=r"a\.bg: .*those of 0 of 1\. It lacks 'chr1'"):
        binned(path, gene_frame(("chr1", 5000, "+")))


# -- arguments --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_bins": 7}, "bins of whole bases.*'8'"),
        ({"n_bins": 0}, "n_bins"),
        ({"window": (200, -200)}, "Expected `window`"),
        ({"window": (-0.5, 200)}, "Expected `window`"),
        ({"tss": "first"}, "with a file of genes only"),
    ],
)
def test_bad_arguments(tmp_path, options, message):
    path = write_bedgraph(tmp_path / "a.bg", [("chr1", 0, 9, 1.0)])
    with pytest.raises(ValueError, match=message):
        binned(path, gene_frame(("chr1", 5000, "+")), **options)


def test_bad_tracks(tmp_path):
    path = write_bedgraph(tmp_path / "a.bg", [("chr1", 0, 9, 1.0)])
    genes = gene_frame(("chr1", 5000, "+"))
    with pytest.raises(ValueError, match=r"same marks.*'b'.*'y'"):
        tgem.pp.bin_signal({"x": {"a": path}, "y": {"b": path}}, genes)
    for tracks in ({}, {"a": path, "x": {"a": path}}, path):
        with pytest.raises(ValueError, match="Expected `tracks` to name"):
            tgem.pp.bin_signal(tracks, genes)
    with pytest.raises(TypeError, match="path of a bigWig"):
        tgem.pp.bin_signal({"a": 3}, genes)
    with pytest.raises(ValueError, match=r"without '\|'"):
        tgem.pp.bin_signal({"a|b": {"m": path}}, genes)
