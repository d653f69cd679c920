"""One start of transcription for each gene, from GTF and BED files."""

import sys
from pathlib import Path

import pandas as pd
import pytest

import tgem
from tgem._core.errors import GenomeWarning

sys.path.insert(0, str(Path(__file__).parents[1]))
from epigenome_files import write_text


def transcript(gene, place, strand, *, chrom="chr1", name=None, tags="", kind="protein_coding"):
    """Lines of one transcript and its exon."""
    number = f"{gene}_{place[0]}_{place[1]}_{strand}_{chrom}"
    told = f'gene_id "{gene}"; transcript_id "{number}"; gene_type "{kind}"; {tags}'
    told += "" if name is None else f' gene_name "{name}";'
    head = f"{chrom}\tx"
    tail = f"{place[0]}\t{place[1]}\t.\t{strand}\t.\t{told}"
    return f"{head}\ttranscript\t{tail}\n{head}\texon\t{tail}\n"


GTF = "#!genome-build x\n" + "".join(
    [
        transcript("P.3", (2001, 9000), "+", name="PLUS"),
        transcript("P.3", (1001, 9000), "+", name="PLUS"),
        transcript("P.3", (3001, 9000), "+", name="PLUS", tags='tag "basic"; tag "MANE_Select";'),
        transcript("P.3", (3001, 8000), "+", name="PLUS"),
        transcript("M.1", (500, 7000), "-", name="MINUS"),
        transcript("M.1", (500, 7500), "-", name="MINUS"),
        transcript("L.1", (100, 200), "-", chrom="chrX", kind="lncRNA"),
    ]
)


@pytest.fixture
def gtf(tmp_path):
    return write_text(tmp_path / "genes.gtf.gz", GTF)


@pytest.mark.parametrize(
    ("rule", "plus"),
    [("most_upstream", 1000), ("first", 2000), ("canonical", 3000), ("most_common", 3000)],
)
def test_rules(gtf, rule, plus):
    found = tgem.pp.transcription_start_sites(gtf, rule)
    minus = 6999 if rule == "first" else 7499
    assert found["tss"].to_dict() == {"P.3": plus, "M.1": minus, "L.1": 199}
    assert found["strand"].tolist() == ["+", "-", "-"]
    assert found["n_tss"].tolist() == [3, 2, 1]
    assert found["chrom"].tolist() == ["chr1", "chr1", "chrX"]


def test_names_biotypes_versions(gtf):
    read = tgem.pp.transcription_start_sites
    assert read(gtf, gene_key="gene_name").index.tolist() == ["PLUS", "MINUS", "L.1"]
    coding = read(gtf, biotype="protein_coding", remove_version=True)
    assert coding.index.tolist() == ["P.3", "M.1"]  # no identifiers of Ensembl
    with pytest.raises(ValueError, match=r"biotype 'pseudogene', found 'lncRNA', 'protein_coding'"):
        read(gtf, biotype="pseudogene")


def test_only_versions_of_ensembl_are_removed(tmp_path):
    names = ["ENSG00000141510.18", "RP11-34P13.7", "RP11-34P13.15", "Y.1A"]
    lines = [f"chr1 {100 * i} {100 * i + 1} {name} . +" for i, name in enumerate(names)]
    path = write_text(tmp_path / "g.bed", "\n".join(lines))
    found = tgem.pp.transcription_start_sites(path, remove_version=True)
    assert found.index.tolist() == ["ENSG00000141510", *names[1:]]


def test_names_in_several_places_are_left_out(tmp_path):
    text = transcript("A", (10, 90), "+") + transcript("A", (10, 90), "+", chrom="chr2")
    text += transcript("B", (10, 90), "+") + transcript("B", (10, 90), "-")
    path = write_text(tmp_path / "g.gtf", text + transcript("C", (10, 90), "-"))
    with pytest.warns(GenomeWarning, match="2 names of genes are on several .*'A', 'B'"):
        found = tgem.pp.transcription_start_sites(path)
    assert found["tss"].to_dict() == {"C": 89}


def test_copies_of_genes_do_not_count(tmp_path):
    rows = ["chr6_GL000250v2_alt 9 10 A . -", "chr6 50 51 A . +", "Y 7 8 P . +", "X 5 6 P . +"]
    path = write_text(tmp_path / "g.bed", "\n".join([*rows, "KI270728.1 3 4 S . +"]))
    found = tgem.pp.transcription_start_sites(path)
    assert found["tss"].to_dict() == {"A": 50, "P": 5, "S": 3}
    assert found["chrom"].to_dict() == {"A": "chr6", "P": "X", "S": "KI270728.1"}


def test_bed_starts_are_those_of_the_strand(tmp_path):
    text = "chr1\t100\t200\tA\t0\t+\nchr1\t100\t200\tB\t0\t-\nchr1\t50\t60\tA\t0\t+\n"
    text += "chr1\t70\t70\tC\t0\t-\n"  # of no length
    path = write_text(tmp_path / "g.bed", "track name=x\n" + text)
    found = tgem.pp.transcription_start_sites(path)
    assert found["tss"].to_dict() == {"A": 50, "B": 199, "C": 70}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr1\t1\t2\tA\t0\t+\nchr1\t1\t2\tA\t0\t*\n", r"line 2: .*strand '\+' or '-', found '\*'"),
        ("chr1\t1\t2\tA\t0\t+\nchr1\t9\t2\tA\t0\t+\n", "line 2: .*start below the end"),
        ("chr1\t1\t2\tA\t0\t+\nchr1\t9\n", "line 2: expected chromosome, start, end, gene"),
        ("chr1\t1\t2\n", "line 1: expected chromosome, start, end, gene"),
        ("gene,chrom\n", "expected a GTF or BED file"),
        ("# nothing\n", "expected lines of data"),
        (transcript("A", (10, 90), "."), r"expected the strand '\+' or '-', found '\.'"),
    ],
)
def test_bad_files_are_named(tmp_path, text, message):
    path = write_text(tmp_path / "bad.txt", text)
    with pytest.raises(ValueError, match=message) as error:
        tgem.pp.transcription_start_sites(path)
    assert "bad.txt" in str(error.value)


def test_rules_that_a_file_cannot_serve(tmp_path):
    path = write_text(tmp_path / "g.bed", "chr1\t1\t2\tA\t0\t+\n")
    with pytest.raises(ValueError, match="Ensembl_canonical or MANE_Select"):
        tgem.pp.transcription_start_sites(path, "canonical")
    with pytest.raises(ValueError, match="`biotype` chooses among genes of a GTF"):
        tgem.pp.transcription_start_sites(path, biotype="protein_coding")
    with pytest.raises(ValueError, match="most_upstream"):
        tgem.pp.transcription_start_sites(path, "all")


GOOD = {"chrom": ["chr1", "chr1"], "tss": [10, 20], "strand": ["+", "-"]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strand": ["+", "."]}, r"found '\.' for 1 genes: 'B'"),
        ({"tss": [10, -1]}, "whole number of at least 0.*1 genes: 'B'"),
        ({"tss": [10, 1.5]}, "whole number of at least 0.*1 genes: 'B'"),
        ({"tss": [10, None]}, "whole number of at least 0.*1 genes: 'B'"),
        ({"chrom": ["chr1", None]}, "chromosome.*1 genes: 'B'"),
        ({"index": ["A", "A"]}, "every gene once.*1 several times: 'A'"),
        ({"strand": None}, "with the columns 'chrom', 'tss', 'strand'"),
    ],
)
def test_bad_tables_of_genes(tmp_path, change, message):
    index = change.get("index", ["A", "B"])
    columns = {k: v for k, v in (GOOD | change).items() if v is not None and k != "index"}
    path = write_text(tmp_path / "t.bg", "chr1\t0\t9\t1\n")
    with pytest.raises(ValueError, match=message):
        tgem.pp.bin_signal({"m": path}, pd.DataFrame(columns, index=index))


def test_genes_of_a_file_are_binned(gtf, tmp_path):
    path = write_text(tmp_path / "t.bg", "chr1\t1000\t1100\t1\nchrX\t199\t200\t5\n")
    found = tgem.pp.bin_signal({"m": path}, gtf, (0, 100), n_bins=1)
    assert found.obs_names.tolist() == ["P.3", "M.1", "L.1"]
    assert found.X.ravel().tolist() == pytest.approx([1, 0, 0.05])
    other = tgem.pp.bin_signal({"m": path}, gtf, (0, 100), n_bins=1, tss="first")
    assert other.X[0, 0] == 0


def test_file_of_whole_genome(shared_data):
    path = shared_data / "regulators" / "hg38_tss.bed"
    with pytest.warns(GenomeWarning, match="names of genes are on several"):
        found = tgem.pp.transcription_start_sites(path)
    assert found.loc["COPG2", ["chrom", "strand"]].tolist() == ["chr7", "-"]
    assert len(found) > 20_000
    assert found.index.is_unique
