"""Tables of PSI: names of events, missing values, scales, bad tables."""

import mudata
import numpy as np
import pandas as pd
import pytest

import tgem

# mudata announces changes of its own
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:mudata")

READ = tgem.pp.read_psi
EVENTS = [
    "ENSG00000000001.5;SE:chr1:100-200:300-400:+",
    "ENSG00000000002.1;RI:chrX:10:20-30:40:-",
    "ENSG00000000002.1;AF:chrX:10-20:30:15-20:30:-",
]
PSI = np.array([[0.25, np.nan], [1.0, 0.0], [0.5, 0.125]])


def write(path, text):
    path.write_text(text)
    return path


def suppa(path):
    """As SUPPA2 writes it: the header lacks a name for the events."""
    rows = ["\t".join([name, *map(str, row)]) for name, row in zip(EVENTS, PSI, strict=True)]
    return write(path, "\n".join(["a\tb", *rows]) + "\n")


def test_suppa_events(tmp_path):
    adata = READ(suppa(tmp_path / "e.psi"))
    assert adata.obs_names.tolist() == ["a", "b"]
    assert adata.var_names.tolist() == EVENTS
    assert adata.X.dtype == np.float32
    np.testing.assert_array_equal(adata.X, PSI.T.astype(np.float32))
    assert adata.var["gene_id"].tolist() == [name.split(";")[0] for name in EVENTS]
    assert adata.var["event_type"].tolist() == ["SE", "RI", "AF"]
    assert adata.var["chrom"].tolist() == ["chr1", "chrX", "chrX"]
    assert adata.var["strand"].tolist() == ["+", "-", "-"]


def test_suppa_transcripts(tmp_path):
    path = write(tmp_path / "t.psi", "a\tb\nG1;T1\t0.1\t0.9\nG1;T2\t0.9\tNA\n")
    adata = READ(path)
    assert adata.var["gene_id"].tolist() == ["G1", "G1"]
    assert np.isnan(adata.X[1, 1])


@pytest.mark.parametrize("separator", ["\t", ","])
def test_table_in_percent_with_columns_that_describe(tmp_path, separator):
    lines = ["GENE EVENT LENGTH s1 s1-Q s2", "A e1 30 10 OK,OK 100", "B e2 27 NA VLOW 55.5"]
    lines = [line.replace(",", "/").replace(" ", separator) for line in lines]
    path = write(tmp_path / "inclusion.tab", "\n".join(lines) + "\n")
    adata = READ(path, scale="percent", samples=["s2", "s1"])
    assert adata.obs_names.tolist() == ["s2", "s1"]
    assert adata.var_names.tolist() == ["e1", "e2"]
    np.testing.assert_allclose(adata.X, [[1, 0.555], [0.1, np.nan]], rtol=1e-6)
    assert adata.var["gene_id"].tolist() == ["A", "B"]
    assert adata.var["LENGTH"].tolist() == ["30", "27"]
    adata.write_h5ad(tmp_path / "psi.h5ad")


def test_gene_column(tmp_path):
    path = write(tmp_path / "p.csv", "id,where,a,b\ne1,G1,0.5,1\ne2,G2,0,1\n")
    adata = READ(path, samples=["a", "b"], gene_key="where")
    assert adata.var["gene_id"].tolist() == ["G1", "G2"]
    with pytest.raises(KeyError, match=r"'nothing'.*'where'"):
        READ(path, samples=["a", "b"], gene_key="nothing")
    with pytest.raises(ValueError, match=r"column 'where'.*'G1' in line 2.*samples=\[\.\.\.\]"):
        READ(path)
    with pytest.raises(ValueError, match=r"got 'c'.*Columns there are: 'where', 'a', 'b'"):
        READ(path, samples=["a", "c"])


def test_psi_trains_deepsf_with_genes(tmp_path):
    source = tgem.datasets.synthetic_splicing(n_obs=24, n_factors=6, n_isoforms=60, seed=2)
    gene, isoform = source["gene"], source["isoform"]
    of_gene = gene.to_df()[isoform.var["gene_id"]].to_numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        psi = pd.DataFrame((isoform.X / of_gene).T, columns=gene.obs_names)
    psi = psi.clip(0, 1)
    psi.index = isoform.var["gene_id"].to_numpy() + ";" + isoform.var_names.to_numpy()
    psi.to_csv(tmp_path / "isoforms.psi", sep="\t", na_rep="nan", index_label=False)
    source.obs[["condition"]].to_csv(tmp_path / "samples.csv")
    adata = READ(tmp_path / "isoforms.psi", obs=tmp_path / "samples.csv")
    assert adata.obs["condition"].tolist() == source.obs["condition"].tolist()
    np.testing.assert_allclose(adata.X, psi.to_numpy().T, rtol=1e-5, atol=1e-6)
    mdata = mudata.MuData({"gene": gene, "isoform": adata})
    tgem.model.DeepSF.setup_mudata(mdata)
    model = tgem.model.DeepSF(mdata)
    assert model.decoder == "psi"
    model.train(max_epochs=1, enable_progress_bar=False)
    assert np.isfinite(model.predict()).all()


@pytest.mark.parametrize(
    ("text", "scale", "message"),
    [
        ("e,a\nx,0.5\ny,1.5\n", "share", r"0 to 1 in .*1\.5 in line 3.*scale='percent'"),
        ("e,a\nx,0.5\ny,-0.5\n", "share", r"found -0\.5 to 0\.5.*shares"),
        ("e,a\nx,101\ny,5\n", "percent", r"0 to 100 in .*101 in line 2"),
        ("e,a\nx,0.5\ny,1\n", "percent", "scale='share'"),
        ("e,a\nx,0.5\nx,1\n", "share", "found repeatedly: 'x'"),
        ("e,a\nx,0.5\n,1\n", "share", "events without"),
        ("e,a\nx,0.5\ny,1,3,4\n", "share", "Expected a table of events x samples"),
        ("e,a\nx,NA\ny,\n", "share", "missing values alone"),
        ("e,a\n", "share", "Expected events and samples"),
        ("", "share", "empty file"),
        ("e,a\nx,high\n", "share", r"'high' in line 2"),
    ],
)
def test_bad_tables(tmp_path, text, scale, message):
    with pytest.raises(ValueError, match=message):
        READ(write(tmp_path / "bad.csv", text), scale=scale)
    with pytest.raises(ValueError, match=r"`scale` to be one of 'share', 'percent'"):
        READ(write(tmp_path / "bad.csv", "e,a\nx,1\n"), scale="fraction")
    with pytest.raises(FileNotFoundError):
        READ(tmp_path / "none.psi")
