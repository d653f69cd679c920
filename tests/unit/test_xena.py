"""Matrices of UCSC Xena: logarithms undone, rows and samples chosen, bad files refused."""

import gzip

import mudata
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tgem
from tgem._core.errors import GeneAlignmentWarning

# mudata announces changes of its own
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:mudata")

READ = tgem.pp.read_xena
SAMPLES = ["TCGA-01", "TCGA-02", "GTEX-03"]
TRANSCRIPTS = [f"ENST{number:011d}.{number % 3 + 1}" for number in range(6)]
GENES = [f"ENSG{number // 2:011d}.5" for number in range(6)]
ANNOTATION = pd.DataFrame(
    {"transcript_id": TRANSCRIPTS, "gene_id": GENES, "gene_symbol": list("AABBCC")}
)
TPM = np.array([[0, 8, 1.5, 0], [3, 0, 900, 40], [7, 7, 0.02, 1e5]], dtype=float).repeat(
    [2], axis=1
)[:, :6]


def write_matrix(path, tpm=TPM, *, names=TRANSCRIPTS, samples=SAMPLES, offset=0.001):
    values = pd.DataFrame(np.log2(tpm.T + offset), index=pd.Index(names, name="sample"))
    text = values.set_axis(samples, axis=1).to_csv(sep="\t", float_format="%.4f")
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["isoforms", "isoforms.gz"])
def test_logarithms_are_undone(tmp_path, name):
    mdata = READ(write_matrix(tmp_path / name), ANNOTATION)
    isoform, gene = mdata["isoform"], mdata["gene"]
    assert isoform.obs_names.tolist() == SAMPLES
    assert isoform.var_names.tolist() == TRANSCRIPTS
    assert isoform.X.dtype == gene.X.dtype == np.float32
    np.testing.assert_allclose(isoform.X, TPM, rtol=1e-4, atol=1e-6)
    assert isoform.X.min() == 0  # nothing below, whatever rounding leaves
    assert isoform.var["gene_id"].tolist() == GENES
    np.testing.assert_allclose(gene.X, TPM.reshape(3, 3, 2).sum(2), rtol=1e-4, atol=1e-6)
    assert gene.var["gene_symbol"].tolist() == list("ABC")


def test_more_rows_than_one_block_and_any_order(tmp_path):
    rng = np.random.default_rng(0)
    n = 700
    names = [f"T{number}" for number in range(n)]
    tpm = rng.gamma(0.3, 50, size=(3, n))
    path = write_matrix(tmp_path / "many", tpm, names=names)
    shuffled = rng.permutation(n)
    annotation = {names[place]: f"G{place % 90}" for place in shuffled}
    mdata = READ(path, annotation, samples=["GTEX-03", "TCGA-01"])
    np.testing.assert_allclose(mdata["isoform"][:, names].X, tpm[[2, 0]], rtol=1e-4, atol=1e-5)
    sums = pd.DataFrame(tpm[[2, 0]].T).groupby([f"G{place % 90}" for place in range(n)]).sum()
    np.testing.assert_allclose(
        mdata["gene"].X, sums.loc[mdata["gene"].var_names].T, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("asked", [["A", "C"], [GENES[0], GENES[4]], [GENES[0][:-2], "C"]])
def test_genes_by_symbol_or_identifier_come_with_all_isoforms(tmp_path, asked):
    mdata = READ(write_matrix(tmp_path / "m"), ANNOTATION, genes=asked)
    assert mdata["isoform"].var_names.tolist() == [*TRANSCRIPTS[:2], *TRANSCRIPTS[4:]]
    np.testing.assert_allclose(mdata["isoform"].X, TPM[:, [0, 1, 4, 5]], rtol=1e-4, atol=1e-6)
    with pytest.warns(GeneAlignmentWarning, match=r"1 of 2 genes are not in the annotation: 'Z'"):
        READ(tmp_path / "m", ANNOTATION, genes=["A", "Z"])
    with pytest.raises(ValueError, match=r"found none of 1"):
        READ(tmp_path / "m", ANNOTATION, genes=["Z"])


def test_measured_genes(tmp_path):
    genes = np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])  # not the sums of the isoforms
    names = ["ENSG00000000002.5", "ENSG00000000000.9", "ENSG00000000001.5"]
    write_matrix(tmp_path / "isoforms")
    write_matrix(tmp_path / "genes", genes, names=names)
    mdata = READ(tmp_path / "isoforms", ANNOTATION, tmp_path / "genes", samples=SAMPLES[::-1])
    gene = mdata["gene"]
    assert gene.obs_names.tolist() == mdata["isoform"].obs_names.tolist() == SAMPLES[::-1]
    wanted = pd.DataFrame(genes[::-1], index=SAMPLES[::-1], columns=[GENES[4], GENES[0], GENES[2]])
    np.testing.assert_allclose(gene.to_df(), wanted[gene.var_names], rtol=1e-3)
    assert set(mdata["isoform"].var["gene_id"]) == set(gene.var_names)
    assert gene.var["gene_symbol"].tolist() == ["C", "A", "B"]
    assert gene.var["n_isoforms"].tolist() == [2, 2, 2]
    bare = READ(tmp_path / "isoforms", ANNOTATION, tmp_path / "genes", remove_version=True)
    assert set(bare["isoform"].var["gene_id"]) == set(bare["gene"].var_names)
    assert not bare["gene"].var_names.str.contains(".", regex=False).any()
    write_matrix(tmp_path / "fewer", genes[:, :2], names=names[:2])
    with pytest.warns(GeneAlignmentWarning, match=r"1 genes of the isoforms are not in"):
        READ(tmp_path / "isoforms", ANNOTATION, tmp_path / "fewer")
    write_matrix(tmp_path / "other", genes[:2], names=names, samples=SAMPLES[:2])
    with pytest.raises(ValueError, match=r"1 of 3 are not there: 'GTEX-03'"):
        READ(tmp_path / "isoforms", ANNOTATION, tmp_path / "other")


def test_simulated_matrix_trains_deepsf(tmp_path):
    source = tgem.datasets.synthetic_splicing(n_obs=24, n_factors=6, n_isoforms=60, seed=5)
    paths = {}
    for name in ("isoform", "gene"):
        part = source[name]
        paths[name] = write_matrix(
            tmp_path / f"{name}.gz", part.X, names=part.var_names, samples=part.obs_names
        )
    source.obs[["condition"]].rename_axis("sample").to_csv(tmp_path / "phenotype.tsv", sep="\t")
    mdata = READ(
        paths["isoform"],
        source["isoform"].var["gene_id"],
        paths["gene"],
        obs=tmp_path / "phenotype.tsv",
    )
    assert mdata.obs["condition"].tolist() == source.obs["condition"].tolist()
    np.testing.assert_allclose(mdata["gene"].X, source["gene"].X, rtol=1e-3, atol=1e-3)
    factors = source["gene"].var_names[source["gene"].var["splicing_factor"]]
    tgem.pp.flag_splicing_factors(mdata, factors=factors)
    mdata.write_h5mu(tmp_path / "read.h5mu")
    mdata = mudata.read_h5mu(tmp_path / "read.h5mu")
    tgem.model.DeepSF.setup_mudata(mdata)
    model = tgem.model.DeepSF(mdata)
    model.train(max_epochs=1, enable_progress_bar=False)
    assert np.isfinite(model.predict()).all()


def test_phenotypes_may_be_incomplete_and_in_latin(tmp_path):
    write_matrix(tmp_path / "m")
    (tmp_path / "p.txt").write_bytes("sample\tsite\nTCGA-01\tSj\xf6gren\nX\tY\n".encode("latin-1"))
    with pytest.warns(GeneAlignmentWarning, match=r"2 of 3 samples.*p\.txt"):
        mdata = READ(tmp_path / "m", ANNOTATION, obs=tmp_path / "p.txt")
    assert mdata.obs["site"].tolist()[0] == "Sj\xf6gren"
    assert mdata.obs["site"].isna().tolist() == [False, True, True]


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    tpm=st.lists(st.floats(0, 1e5), min_size=2, max_size=8),
    offset=st.sampled_from([0.001, 0.01, 1.0]),
)
def test_any_tpm_and_offset_come_back(tmp_path, tpm, offset):
    tpm = np.array([tpm])
    names = [f"T{number}" for number in range(tpm.size)]
    path = write_matrix(tmp_path / "m", tpm, names=names, samples=["a"], offset=offset)
    read = READ(path, dict.fromkeys(names, "G"), offset=offset)
    # four decimals of the logarithm are 0.0035 % of TPM + offset
    np.testing.assert_allclose(read["isoform"].X + offset, tpm + offset, rtol=5e-5)


@pytest.mark.parametrize(
    ("written", "offset", "message"),
    [
        (1.0, 0.001, r"log2\(TPM \+ 0.001\).*smallest value found is 0\..*offset is 1"),
        (0.001, 1.0, r"0 TPM are 0; the smallest value found is -9\.966.*offset is 0\.001"),
        (0.001, 0.01, r"smallest value found is -9\.966"),
    ],
)
def test_another_offset_than_the_one_named(tmp_path, written, offset, message):
    write_matrix(tmp_path / "m", offset=written)
    with pytest.raises(ValueError, match=message):
        READ(tmp_path / "m", ANNOTATION, offset=offset)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:-9], r"3 values in line 7.*cut off"),
        (lambda text: text.replace("0.5859", "NA"), r"numbers in line 6.*'NA'"),
        (lambda text: text.replace("0.5859", "nan"), "missing or infinite"),
        (lambda text: text.replace("0.5859", "900.0"), "no logarithm of TPM is so large"),
        (
            lambda text: text.replace("TCGA-02", "TCGA-01"),
            r"each sample once in the first line of .*'TCGA-01' repeatedly.* columns 2, 3\.",
        ),
        (
            lambda text: text.replace("0.5859", ""),
            r"numbers in line 6 .*an empty cell for sample 'TCGA-01' \(column 2\)",
        ),
        (lambda text: text.replace("0.5859", "low"), r"line 6 .*'low' for sample 'TCGA-01'"),
        (lambda text: text + text.splitlines()[1] + "\n", r"each row once.*line 8"),
        (lambda text: "", "empty file"),
        (lambda text: text.replace("\t", ","), "separated by tabs"),
    ],
)
def test_damaged_matrices(tmp_path, change, message):
    path = write_matrix(tmp_path / "m")
    text = path.read_text()
    assert "0.5859" in text
    path.write_text(change(text))
    with pytest.raises(ValueError, match=message):
        READ(path, ANNOTATION)


def test_a_repeated_sample_that_is_not_asked_for_is_no_matter(tmp_path):
    path = write_matrix(tmp_path / "m", samples=["TCGA-01", "TCGA-01", "GTEX-03"])
    assert READ(path, ANNOTATION, samples=["GTEX-03"])["isoform"].obs_names.tolist() == ["GTEX-03"]
    with pytest.raises(ValueError, match=r"each sample once in the first line"):
        READ(path, ANNOTATION, samples=["TCGA-01"])


def test_gzip_that_is_cut_off(tmp_path):
    path = write_matrix(tmp_path / "m.gz")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"m\.gz is cut off or damaged"):
        READ(path, ANNOTATION)


def test_wrong_samples_and_annotation(tmp_path):
    path = write_matrix(tmp_path / "m")
    with pytest.raises(ValueError, match=r"1 of 2 are not there: 'X'"):
        READ(path, ANNOTATION, samples=["TCGA-01", "X"])
    for samples, found in (([], "none"), ([*SAMPLES, "GTEX-03"], "'GTEX-03' repeatedly")):
        with pytest.raises(ValueError, match=rf"different samples in `samples`, got {found}"):
            READ(path, ANNOTATION, samples=samples)
    with pytest.warns(GeneAlignmentWarning, match=r"2 transcripts of .* left out"):
        mdata = READ(path, ANNOTATION[:4])
    assert mdata["isoform"].n_vars == 4
    with pytest.raises(ValueError, match=r"5 are not and 1 were read.*GENCODE 23"):
        READ(path, ANNOTATION[:1])
    with pytest.raises(ValueError, match=r"`offset` to be above 0"):
        READ(path, ANNOTATION, offset=0)


def test_what_does_not_fit_into_memory_is_refused(tmp_path, monkeypatch):
    from tgem.pp import _xena_matrix

    path = write_matrix(tmp_path / "m")
    pages = {"SC_PHYS_PAGES": 1, "SC_PAGE_SIZE": 16}
    monkeypatch.setattr(_xena_matrix.os, "sysconf", pages.get)
    with pytest.raises(MemoryError, match=r"Choose `genes` or `samples`"):
        READ(path, ANNOTATION)
