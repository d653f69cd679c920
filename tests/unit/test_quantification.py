"""Quantification files become the MuData that DeepSF reads, or an error that names the line."""

import gzip

import h5py
import mudata
import numpy as np
import pandas as pd
import pytest

import tgem
from tgem._core.errors import GeneAlignmentWarning

# mudata announces changes of its own
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:mudata")

READ = tgem.pp.read_quantification


def salmon_table(names, length, tpm, counts):
    return pd.DataFrame(
        {
            "Name": names,
            "Length": length,
            "EffectiveLength": np.asarray(length) - 100.0,
            "TPM": tpm,
            "NumReads": counts,
        }
    )


def kallisto_table(names, length, tpm, counts):
    return pd.DataFrame(
        {
            "target_id": names,
            "length": length,
            "eff_length": np.asarray(length) - 100.0,
            "est_counts": counts,
            "tpm": tpm,
        }
    )


def rsem_table(names, length, tpm, counts):
    return pd.DataFrame(
        {
            "transcript_id": names,
            "gene_id": [f"G{name[1:3]}" for name in names],
            "length": length,
            "effective_length": np.asarray(length) - 100.0,
            "expected_count": counts,
            "TPM": tpm,
            "FPKM": tpm,
            "IsoPct": 0.0,
        }
    )


TABLES = {"salmon": salmon_table, "kallisto": kallisto_table, "rsem": rsem_table}
PLACES = {
    "salmon": "{}/quant.sf",
    "kallisto": "{}/abundance.tsv",
    "rsem": "{}.isoforms.results",
}
NAMES = ["T01.1", "T01.2", "T02.1", "T02.2"]  # two genes of two isoforms
GENES = {name: f"G{name[1:3]}" for name in NAMES}
TPM = np.array([[4e5, 1e5, 2e5, 3e5], [1e5, 4e5, 5e5, 0.5]])


def write_samples(folder, tool="salmon", *, names=NAMES, samples=("a", "b"), tpm=TPM):
    for row, sample in enumerate(samples):
        path = folder / PLACES[tool].format(sample)
        path.parent.mkdir(parents=True, exist_ok=True)
        table = TABLES[tool](names, [1000] * len(names), tpm[row], tpm[row] / 10)
        table.to_csv(path, sep="\t", index=False)
    return folder


def rewrite(path, change):
    path.write_text(change(path.read_text()))


@pytest.mark.parametrize("tool", list(TABLES))
@pytest.mark.parametrize("given", ["auto", "named"])
def test_folder_of_samples(tmp_path, tool, given):
    write_samples(tmp_path, tool)
    mdata = READ(tmp_path, GENES, tool="auto" if given == "auto" else tool)
    isoform, gene = mdata["isoform"], mdata["gene"]
    assert isoform.obs_names.tolist() == gene.obs_names.tolist() == ["a", "b"]
    assert isoform.var_names.tolist() == NAMES
    assert isoform.var["gene_id"].tolist() == ["G01", "G01", "G02", "G02"]
    assert isoform.X.dtype == gene.X.dtype == isoform.layers["counts"].dtype == np.float32
    np.testing.assert_allclose(isoform.X, TPM, rtol=1e-6)
    np.testing.assert_allclose(isoform.layers["counts"], TPM / 10, rtol=1e-6)
    np.testing.assert_allclose(gene.X, TPM.reshape(2, 2, 2).sum(2), rtol=1e-6)
    np.testing.assert_allclose(gene.layers["counts"], TPM.reshape(2, 2, 2).sum(2) / 10, rtol=1e-6)
    assert gene.var["n_isoforms"].tolist() == [2, 2]


def test_simulated_samples_train_deepsf(tmp_path):
    source = tgem.datasets.synthetic_splicing(n_obs=24, n_factors=6, n_isoforms=60, seed=3)
    isoform = source["isoform"]
    for sample in isoform.obs_names:
        row = isoform[sample]
        table = salmon_table(
            isoform.var_names,
            isoform.var["length"].to_numpy(),
            row.X.ravel().astype(float),
            row.layers["counts"].ravel().astype(float),
        )
        (tmp_path / sample).mkdir()
        table.to_csv(tmp_path / sample / "quant.sf", sep="\t", index=False)
    mdata = READ(tmp_path, isoform.var["gene_id"], obs=source.obs[["condition"]])
    for name in ("gene", "isoform"):
        read, wanted = mdata[name], source[name][mdata.obs_names]
        assert read.var_names.tolist() == wanted.var_names.tolist()
        np.testing.assert_allclose(read.X, wanted.X, rtol=1e-5)
        np.testing.assert_allclose(read.layers["counts"], wanted.layers["counts"], rtol=1e-5)
    assert mdata.obs["condition"].tolist() == source.obs["condition"][mdata.obs_names].tolist()
    factors = source["gene"].var_names[source["gene"].var["splicing_factor"]]
    tgem.pp.flag_splicing_factors(mdata, factors=factors)
    mdata.write_h5mu(tmp_path / "read.h5mu")
    mdata = mudata.read_h5mu(tmp_path / "read.h5mu")
    tgem.model.DeepSF.setup_mudata(mdata)
    model = tgem.model.DeepSF(mdata)
    model.train(max_epochs=1, enable_progress_bar=False)
    assert model.factor_names.tolist() == sorted(factors)
    assert np.isfinite(model.predict()).all()


def test_samples_by_name_list_and_other_file_names(tmp_path):
    write_samples(tmp_path)
    swapped = READ({"second": tmp_path / "b", "first": tmp_path / "a" / "quant.sf"}, GENES)
    assert swapped.obs_names.tolist() == ["second", "first"]
    np.testing.assert_allclose(swapped["isoform"].X, TPM[::-1], rtol=1e-6)
    assert READ([tmp_path / "b", tmp_path / "a"], GENES).obs_names.tolist() == ["b", "a"]
    assert READ(tmp_path / "a", GENES).obs_names.tolist() == ["a"]
    other = tmp_path / "own_name_quant.sf.gz"
    other.write_bytes(gzip.compress((tmp_path / "a" / "quant.sf").read_bytes()))
    assert READ(other, GENES).obs_names.tolist() == ["own_name"]
    other.write_bytes(gzip.decompress(other.read_bytes()))  # a name that has become wrong
    assert READ(other, GENES).obs_names.tolist() == ["own_name"]


def test_kallisto_h5_has_the_tpm_of_its_table(tmp_path):
    length, effective = np.array([900, 1500, 700, 2000]), np.array([800.5, 1400.5, 600.5, 1900.5])
    counts = np.array([10.0, 0.0, 25.5, 7.0])
    tpm = counts / effective / (counts / effective).sum() * 1e6
    with h5py.File(tmp_path / "abundance.h5", "w") as handle:
        handle["aux/ids"] = np.array(NAMES, dtype="S")
        handle["aux/lengths"], handle["aux/eff_lengths"] = length, effective
        handle["est_counts"] = counts
    mdata = READ(tmp_path, GENES)
    np.testing.assert_allclose(mdata["isoform"].X[0], tpm, rtol=1e-6)
    np.testing.assert_allclose(mdata["isoform"].layers["counts"][0], counts)
    with pytest.raises(ValueError, match=r"HDF5, as kallisto"):
        READ(tmp_path / "abundance.h5", GENES, tool="rsem")


def gtf_line(place, feature, **attributes):
    chrom, start, end, strand = place.split()
    texts = " ".join(f'{key} "{value}";' for key, value in attributes.items())
    return "\t".join([chrom, "test", feature, start, end, ".", strand, ".", texts]) + "\n"


FIRST = {"gene_id": "ENSG00000000001.4", "gene_type": "protein_coding", "gene_name": "AAA1"}
SECOND = {"gene_id": "ENSG00000000002.1", "gene_type": "lncRNA"}
TRANSCRIPTS = ["ENST00000000001.2", "ENST00000000002.7", "ENST00000000003.1"]
GTF = "#!genome-build test\n" + "".join(
    [
        gtf_line("chr1 101 900 +", "gene", **FIRST),
        gtf_line(
            "chr1 101 900 +",
            "transcript",
            **FIRST,
            transcript_id=TRANSCRIPTS[0],
            transcript_type="retained_intron",
        ),
        gtf_line("chr1 101 900 +", "exon", **FIRST, transcript_id=TRANSCRIPTS[0]),
        gtf_line(
            "chr1 201 900 +",
            "transcript",
            **FIRST,
            transcript_id=TRANSCRIPTS[1],
            transcript_type="protein_coding",
        ),
        gtf_line("chr2 11 90 -", "gene", **SECOND),
        gtf_line("chr2 11 90 -", "transcript", **SECOND, transcript_id=TRANSCRIPTS[2]),
    ]
)
ENSEMBL = ["ENST00000000001", "ENST00000000002", "ENST00000000003"]
SHARES = np.array([[5e5, 3e5, 2e5], [1e5, 2e5, 7e5]])


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("version", [".2", ".9", ""])
def test_gtf_with_any_version(tmp_path, packed, version):
    gtf = tmp_path / ("genes.gtf.gz" if packed else "genes.gtf")
    gtf.write_bytes(gzip.compress(GTF.encode()) if packed else GTF.encode())
    names = [name + version for name in ENSEMBL]
    mdata = READ(write_samples(tmp_path / "runs", names=names, tpm=SHARES), gtf)
    isoform, gene = mdata["isoform"].var, mdata["gene"].var
    assert isoform.index.tolist() == names
    assert isoform["gene_id"].tolist() == ["ENSG00000000001.4"] * 2 + ["ENSG00000000002.1"]
    assert isoform["transcript_biotype"].tolist() == ["retained_intron", "protein_coding", ""]
    assert gene["gene_symbol"].tolist() == ["AAA1", "ENSG00000000002.1"]
    assert gene["protein_coding"].tolist() == [True, False]
    assert gene["chrom"].tolist() == ["chr1", "chr2"]
    bare = READ(tmp_path / "runs", gtf, remove_version=True)
    assert bare["isoform"].var_names.tolist() == ENSEMBL
    assert bare["gene"].var_names.tolist() == ["ENSG00000000001", "ENSG00000000002"]


def test_gtf_of_exons_only(tmp_path):
    exons = "".join(line + "\n" for line in GTF.splitlines() if "\texon\t" in line)
    (tmp_path / "exons.gtf").write_text(exons)
    write_samples(tmp_path / "runs", names=["ENST00000000001.2"], tpm=np.array([[1e6], [1e6]]))
    mdata = READ(tmp_path / "runs", tmp_path / "exons.gtf")
    assert mdata["isoform"].var["gene_id"].tolist() == ["ENSG00000000001.4"]


def test_genes_in_the_names_need_no_annotation(tmp_path):
    piped = [f"{name}.1|ENSG0{i}.3|-|-|X-20{i}|X{i}|900|lncRNA|" for i, name in enumerate(ENSEMBL)]
    mdata = READ(write_samples(tmp_path / "piped", names=piped, tpm=SHARES))
    assert mdata["isoform"].var_names.tolist() == [f"{name}.1" for name in ENSEMBL]
    assert mdata["gene"].var_names.tolist() == ["ENSG00.3", "ENSG01.3", "ENSG02.3"]
    assert mdata["gene"].var["gene_symbol"].tolist() == ["X0", "X1", "X2"]
    rsem = READ(write_samples(tmp_path / "rsem", "rsem"))
    assert rsem["gene"].var_names.tolist() == ["G01", "G02"]
    with pytest.raises(ValueError, match=r"Expected `annotation`.*GTF"):
        READ(write_samples(tmp_path / "plain"))


@pytest.mark.parametrize(
    "kind", ["headed", "bare", "csv", "frame", "indexed", "probemap", "spaces", "kb"]
)
def test_tables_of_transcripts_and_genes(tmp_path, kind):
    write_samples(tmp_path / "runs")
    frame = pd.DataFrame({"TXNAME": NAMES, "GENEID": list(GENES.values())})
    path = tmp_path / "table.tsv"
    if kind == "headed":
        frame.to_csv(path, sep="\t", index=False)
    elif kind == "bare":
        frame.to_csv(path, sep="\t", index=False, header=False)
    elif kind == "spaces":
        frame.to_csv(path, sep=" ", index=False)
    elif kind == "kb":
        more = frame.assign(a="S", b="t", c="1", d=1, e=2, f="+")
        more.to_csv(path, sep="\t", index=False, header=False)
    elif kind == "csv":
        frame.to_csv(path, index=False)
    elif kind == "probemap":
        frame.set_axis(["#id", "gene"], axis=1).to_csv(path, sep="\t", index=False)
        rewrite(path, lambda text: text.replace("#id", "id"))
    tables = {"frame": frame, "indexed": frame.set_index("TXNAME")}
    mdata = READ(tmp_path / "runs", tables.get(kind, path))
    assert mdata["gene"].var_names.tolist() == ["G01", "G02"]
    assert mdata["isoform"].n_vars == len(NAMES)


def test_order_of_transcripts_may_differ(tmp_path):
    write_samples(tmp_path)
    header, *lines = (tmp_path / "b" / "quant.sf").read_text().splitlines()
    (tmp_path / "b" / "quant.sf").write_text("\n".join([header, *lines[::-1]]) + "\n")
    np.testing.assert_allclose(READ(tmp_path, GENES)["isoform"].X, TPM, rtol=1e-6)


def test_transcripts_without_annotation_are_counted(tmp_path):
    write_samples(tmp_path)
    known = {name: GENES[name] for name in NAMES[1:]}
    with pytest.warns(GeneAlignmentWarning, match=r"1 of 4 transcripts .* left out: 'T01\.1'"):
        mdata = READ(tmp_path, known)
    np.testing.assert_allclose(mdata["isoform"].X, TPM[:, 1:], rtol=1e-6)
    with pytest.raises(ValueError, match=r"3 of 4 are not.*release"):
        READ(tmp_path, {NAMES[0]: "G01"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "empty file"),
        (lambda text: text.splitlines()[0] + "\n", "names of the columns alone"),
        (lambda text: text[:-12], r"line 5 of .*quant\.sf"),
        (lambda text: text.replace("T02.1\t1000", "T02.1\tlong"), "as Length in line 4.*'long'"),
        (lambda text: text.replace("200000.0", "-1"), "as TPM in line 4.*'-1'"),
        (lambda text: text.replace("200000.0", "nan"), "as TPM in line 4.*'nan'"),
        (lambda text: text.replace("T01.2", ""), "name as Name in line 3"),
        (lambda text: text.replace("\n", "\n\n", 1), "line 2"),
        (lambda text: text.replace("T01.2", "T01.1"), "once in.*'T01.1'"),
        (lambda text: text.replace("\t", ","), "columns of salmon, kallisto or RSEM"),
        (lambda text: text.replace("NumReads", "Reads"), "columns of salmon, kallisto or RSEM"),
        (lambda text: "\0\1\2" + text, "columns of salmon, kallisto or RSEM"),
    ],
)
def test_damaged_files_are_named(tmp_path, change, message):
    write_samples(tmp_path)
    rewrite(tmp_path / "a" / "quant.sf", change)
    with pytest.raises(ValueError, match=message):
        READ(tmp_path, GENES)


def test_gzip_that_is_cut_off(tmp_path):
    rng = np.random.default_rng(0)
    text = "\n".join(map(str, rng.integers(0, 10**9, 20_000)))
    packed = gzip.compress(b"Name\tLength\tEffectiveLength\tTPM\tNumReads\n" + text.encode())
    (tmp_path / "quant.sf.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(ValueError, match=r"quant\.sf\.gz is cut off or damaged"):
        READ(tmp_path, GENES)


def test_samples_of_different_transcripts(tmp_path):
    write_samples(tmp_path)
    write_samples(tmp_path, names=[*NAMES[:3], "T03.1"], samples=("c",))
    with pytest.raises(ValueError, match=r"c.quant\.sf has 4, .*1 of the latter.*T02\.2.*T03\.1"):
        READ(tmp_path, GENES)
    rewrite(tmp_path / "c" / "quant.sf", lambda text: text.rsplit("T03", 1)[0])
    with pytest.raises(ValueError, match=r"cut off"):
        READ(tmp_path, GENES)


def test_wrong_tools_and_places(tmp_path):
    write_samples(tmp_path)
    with pytest.raises(ValueError, match=r"of kallisto in the first line.*columns of salmon"):
        READ(tmp_path / "a" / "quant.sf", GENES, tool="kallisto")
    with pytest.raises(FileNotFoundError, match=r"from kallisto; found 'quant.sf'"):
        READ(tmp_path / "a", GENES, tool="kallisto")
    with pytest.raises(FileNotFoundError, match=r"found nothing"):
        READ(tmp_path / "z", GENES)
    with pytest.raises(ValueError, match=r"`tool` to be one of"):
        READ(tmp_path, GENES, tool="star")
    with pytest.raises(ValueError, match=r"at least one sample"):
        READ([], GENES)
    write_samples(tmp_path, "kallisto", samples=("a",))
    with pytest.raises(ValueError, match=r"one tool in .*tool=\.\.\."):
        READ(tmp_path, GENES)
    (tmp_path / "s.genes.results").write_text("gene_id\ttranscript_id(s)\tTPM\n")
    with pytest.raises(ValueError, match=r"holds its genes"):
        READ(tmp_path / "s.genes.results", GENES)


def test_wrong_types_are_named(tmp_path):
    write_samples(tmp_path)
    with pytest.raises(TypeError, match=r"`samples` to be a folder.*got int"):
        READ(5, GENES)
    with pytest.raises(TypeError, match="path of a table of samples, got list"):
        READ(tmp_path, GENES, obs=["a", "b"])


def test_samples_of_two_tools_are_not_mixed(tmp_path):
    write_samples(tmp_path / "x", samples=("a",))
    write_samples(tmp_path / "y", "kallisto", samples=("b",))
    with pytest.raises(ValueError, match=r"one tool, found salmon in .* and kallisto in"):
        READ([tmp_path / "x" / "a", tmp_path / "y" / "b"], GENES)


def test_names_of_samples_must_differ(tmp_path):
    write_samples(tmp_path / "x", samples=("a",))
    write_samples(tmp_path / "y", samples=("a",))
    with pytest.raises(ValueError, match=r"different names of samples.*'a'"):
        READ([tmp_path / "x" / "a", tmp_path / "y" / "a"], GENES)


def test_table_of_samples(tmp_path):
    write_samples(tmp_path)
    columns = {"dose": [2.0, 1.0, 0.0], "line": ["x", "y", "z"], "used": [True, False, True]}
    table = pd.DataFrame(columns, index=["b", "a", "c"])
    table.to_csv(tmp_path / "samples.csv")
    for obs in (table, tmp_path / "samples.csv"):
        mdata = READ(tmp_path, GENES, obs=obs)
        for part in (mdata, mdata["gene"], mdata["isoform"]):
            assert part.obs["dose"].tolist() == [1.0, 2.0]
            assert part.obs["line"].tolist() == ["y", "x"]
    with pytest.warns(GeneAlignmentWarning, match=r"1 of 2 samples are not in the index"):
        mdata = READ(tmp_path, GENES, obs=table.drop(index="a"))
    assert mdata.obs["dose"].isna().tolist() == [True, False]
    mdata.write_h5mu(tmp_path / "missing.h5mu")
    with pytest.raises(ValueError, match=r"found none of them"):
        READ(tmp_path, GENES, obs=table.reset_index())
    with pytest.raises(ValueError, match=r"repeatedly"):
        READ(tmp_path, GENES, obs=pd.concat([table, table]))


def test_bad_annotations(tmp_path):
    write_samples(tmp_path / "runs")
    bad = {
        "a.gtf": ("chr1\tx\ttranscript\t1\t2\n", "nine columns.*line 1"),
        "b.gtf": (GTF.replace("\t201\t", "\tx\t"), "whole numbers.*line 5"),
        "c.gtf": ("#nothing\n", "Expected lines of the feature 'transcript'"),
        "d.gtf": (GTF.replace("transcript_id", "name"), '`transcript_id "..."`'),
        "e.gff3": ("##gff-version 3\n", "GFF3"),
        "f.tsv": ("one\ttwo\tthree\tfour\n", "'transcript_id' and 'gene_id'"),
        "g.tsv": ("transcript_id\tname\nT01.1\tG\n", "Expected columns 'gene_id'"),
        "h.tsv": ("transcript_id\tgene_id\nT01.1\tG1\nT01.1\tG2\n", "one gene for each"),
    }
    for name, (text, message) in bad.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(ValueError, match=message):
            READ(tmp_path / "runs", tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"found nothing"):
        READ(tmp_path / "runs", tmp_path / "none.gtf")
    with pytest.raises(TypeError, match=r"got int"):
        READ(tmp_path / "runs", 3)
