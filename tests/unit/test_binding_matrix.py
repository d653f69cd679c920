"""Binding sites become genes x factors as counting one by one says."""

import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tgem
from tgem._core.errors import GeneAlignmentWarning

MATRIX = tgem.pp.binding_matrix
GENES = pd.DataFrame(
    {
        "chrom": ["chr1", "chr1", "chr1", "chrM"],
        "start": [100, 150, 400, 0],
        "end": [200, 300, 500, 1000],
        "strand": ["+", "-", "+", "+"],
    },
    index=["A", "B", "C", "D"],
)


def bed(path, rows):
    lines = ("\t".join(map(str, row)) for row in rows)
    text = "track name=peaks\n#comment\n" + "".join(line + "\n" for line in lines)
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


ROWS = [
    ("chr1", 160, 170, "QKI", 3, "+"),  # A; on the other strand of B
    ("chr1", 165, 175, "QKI", 9, "+"),  # A again
    ("chr1", 199, 400, "PTBP1", 5, "-"),  # B; touches A's last base and ends before C
    ("1", 450, 460, "PTBP1", 5, "."),  # C
    ("MT", 10, 20, "QKI", 1, "+"),  # D
    ("chr1", 600, 700, "FUS", 8, "+"),  # nowhere
]


@pytest.mark.parametrize("name", ["sites.bed", "sites.bed.gz"])
def test_sites_and_strands(tmp_path, name):
    path = bed(tmp_path / name, ROWS)
    matrix = MATRIX(path, GENES)
    wanted = {"FUS": [0, 0, 0, 0], "PTBP1": [0, 1, 1, 0], "QKI": [1, 0, 0, 1]}
    pd.testing.assert_frame_equal(matrix, pd.DataFrame(wanted, index=GENES.index, dtype=np.int8))
    number = MATRIX(path, GENES, counts=True)
    assert number["QKI"].tolist() == [2, 0, 0, 1]
    assert number.dtypes.eq(np.int32).all()
    either = MATRIX(path, GENES, stranded=False)
    assert either["QKI"].tolist() == [1, 1, 0, 1]
    assert either["PTBP1"].tolist() == [1, 1, 1, 0]
    strong = MATRIX(path, GENES, min_score=6, counts=True)
    assert strong["QKI"].tolist() == [1, 0, 0, 0]
    assert "PTBP1" not in strong


def test_files_of_factors_and_replicates(tmp_path):
    first = bed(
        tmp_path / "1.bed", [("chr1", 160, 170, "x", 0, "+"), ("chr1", 410, 420, "x", 0, "+")]
    )
    second = bed(tmp_path / "2.bed", [("chr1", 110, 120, "y", 0, "+")])
    sites = {"QKI": [first, second], "FUS": str(second)}
    assert MATRIX(sites, GENES)["QKI"].tolist() == [1, 0, 1, 0]
    both = MATRIX(sites, GENES, min_replicates=2, counts=True)
    assert both["QKI"].tolist() == [2, 0, 0, 0]
    assert both["FUS"].tolist() == [0, 0, 0, 0]
    with pytest.raises(ValueError, match=r"min_replicates=3 replicates.*found 2"):
        MATRIX(sites, GENES, min_replicates=3)


def test_columns_elsewhere(tmp_path):
    rows = [
        ("chr1", 160, 170, "site1", "+", "QKI", "eCLIP", "K562", 7.5),
        ("chr1", 160, 170, "site2", "+", "QKI", "eCLIP", "HepG2", 7.5),
        ("chr1", 410, 420, "site3", "+", "QKI", "eCLIP", "K562", 1.5),
    ]
    path = bed(tmp_path / "sites.txt", rows)
    columns = {"strand": 4, "factor": 5, "score": 8, "replicate": 7}
    assert MATRIX(path, GENES, columns=columns)["QKI"].tolist() == [1, 0, 1, 0]
    assert MATRIX(path, GENES, columns=columns, min_score=2)["QKI"].tolist() == [1, 0, 0, 0]
    assert MATRIX(path, GENES, columns=columns, min_replicates=2)["QKI"].tolist() == [1, 0, 0, 0]
    with pytest.raises(ValueError, match=r"as strand in .*'QKI'.*columns="):
        MATRIX(path, GENES)
    with pytest.raises(ValueError, match=r"counted from 0, got"):
        MATRIX(path, GENES, columns={"name": 3})
    with pytest.raises(ValueError, match=r"Expected 'factor' in .*found 9 columns"):
        MATRIX(path, GENES, columns={"factor": 12})


def test_scores_that_are_missing_and_columns_of_categories(tmp_path):
    path = bed(tmp_path / "s.bed", [*ROWS, ("chr1", 410, 420, "QKI", ".", "+")])
    assert MATRIX(path, GENES)["QKI"].tolist() == [1, 0, 1, 1]
    with pytest.raises(ValueError, match=r"score of each site.*1 of 7"):
        MATRIX(path, GENES, min_score=2)
    table = pd.DataFrame(ROWS, columns=["chrom", "start", "end", "factor", "score", "strand"])
    for name in ("chrom", "factor", "strand"):
        table[name] = table[name].astype("category")
    pd.testing.assert_frame_equal(MATRIX(table, GENES), MATRIX(bed(path, ROWS), GENES))


def test_genes_of_a_gtf(tmp_path):
    lines = [
        'chr1\tx\tgene\t101\t200\t.\t+\t.\tgene_id "ENSG00000000001.2"; gene_name "A";',
        'chr1\tx\tgene\t401\t500\t.\t-\t.\tgene_id "ENSG00000000002.1"; gene_name "B";',
    ]
    (tmp_path / "g.gtf").write_text("\n".join(lines) + "\n")
    first, last = ("1", 99, 100, "F", 0, "+"), ("1", 199, 201, "G", 0, "+")
    path = bed(tmp_path / "s.bed", [first, last, ("1", 400, 401, "H", 0, "-")])
    matrix = MATRIX(path, tmp_path / "g.gtf", remove_version=True)
    assert matrix.index.tolist() == ["ENSG00000000001", "ENSG00000000002"]
    assert matrix.to_numpy().tolist() == [[0, 1, 0], [0, 0, 1]]


intervals = st.tuples(
    st.sampled_from(["1", "2", "M"]),
    st.integers(0, 60),
    st.integers(1, 30),
    st.sampled_from("+-"),
    st.sampled_from("PQ"),
)


@settings(max_examples=60, deadline=None)
@given(
    sites=st.lists(intervals, min_size=1, max_size=25),
    genes=st.lists(intervals, min_size=1, max_size=8),
    stranded=st.booleans(),
)
def test_as_counting_one_by_one(sites, genes, stranded):
    def frame(rows, prefix):
        chrom, start, length, strand, factor = zip(*rows, strict=True)
        start = np.array(start)
        columns = {"chrom": chrom, "start": start, "end": start + length, "strand": strand}
        index = [f"G{number}" for number in range(len(rows))]
        return pd.DataFrame({**columns, "factor": factor}, index=index).assign(
            chrom=[prefix + name for name in chrom]
        )

    gene_table, site_table = frame(genes, "chr"), frame(sites, "")
    gene_table["chrom"] = gene_table["chrom"].replace("chrM", "MT")
    on_genes = site_table["chrom"].isin([row[0] for row in genes])
    elsewhere = (~on_genes).sum()
    if elsewhere == len(sites):
        with pytest.raises(ValueError, match=r"on the chromosomes of the genes"):
            MATRIX(site_table, gene_table, stranded=stranded)
        return
    site_table = site_table[on_genes]
    matrix = MATRIX(site_table, gene_table, stranded=stranded, counts=True)
    for place, (chrom, start, length, strand, _) in enumerate(genes):
        for factor in matrix:
            expected = sum(
                site[0] == chrom
                and site[4] == factor
                and site[1] < start + length
                and site[1] + site[2] > start
                and (site[3] == strand or not stranded)
                for site in sites
            )
            assert matrix.iloc[place][factor] == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty file"),
        ("#only\n", "Expected binding sites"),
        ("chr1 1 2 Q\n", "found 1 columns separated by tabs in line 1"),
        ("#c\nchr1\t9\t5\tQ\t0\t+\n", "'9' and '5' in line 2"),
        ("chr1\t1\t2\tQ\t0\t+\nchr1\tx\t5\tQ\t0\t+\n", "'x' and '5' in line 2"),
        ("chr1\t1\t2\tQ\t0\t+\nchr1\t1\t5\tQ\t0\tplus\n", "as strand.*'plus' in 1 lines"),
        ("chr1\t1\t2\tQ\nchr1\t1\t5\n", "a factor in line 2"),
        ("chr1\t1\t2\tQ\n", r"strand of each site.*stranded=False"),
        ("chr7\t1\t2\tQ\t0\t+\n", r"none of 'chr7' among '1', 'MT'"),
    ],
)
def test_bad_files(tmp_path, text, message):
    (tmp_path / "bad.bed").write_text(text)
    with pytest.raises(ValueError, match=message):
        MATRIX(tmp_path / "bad.bed", GENES)


def test_bad_arguments(tmp_path):
    path = bed(tmp_path / "s.bed", ROWS)
    with pytest.raises(ValueError, match=r"columns 'chrom', 'start', 'end', 'strand'"):
        MATRIX(path, GENES.drop(columns="start"))
    with pytest.raises(ValueError, match=r"1 lack: 'A'"):
        MATRIX(path, GENES.assign(start=[300, 150, 400, 0]))
    with pytest.raises(ValueError, match=r"1 have another: 'D'"):
        MATRIX(path, GENES.assign(strand=["+", "+", "-", "."]))
    with pytest.raises(ValueError, match=r"once, found 1 repeatedly: 'A'"):
        MATRIX(path, GENES.set_axis(list("AABC")))
    with pytest.raises(ValueError, match=r"scores from 1 to 9"):
        MATRIX(path, GENES, min_score=10)
    with pytest.raises(ValueError, match=r"`min_replicates`"):
        MATRIX(path, GENES, min_replicates=0)
    with pytest.raises(ValueError, match=r"a file for each factor"):
        MATRIX({}, GENES)
    with pytest.raises(ValueError, match=r"`columns` for files"):
        MATRIX(GENES.assign(factor="Q"), GENES, columns={"score": 3})
    with pytest.raises(ValueError, match=r"column 'factor'"):
        MATRIX(GENES, GENES)
    with pytest.raises(FileNotFoundError):
        MATRIX(tmp_path / "none.bed", GENES)
    with pytest.warns(GeneAlignmentWarning, match=r"5 of 6 sites are on chromosomes without genes"):
        MATRIX(path, GENES[3:])
