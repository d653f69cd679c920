"""From files to EpiAttention, which refuses data that were prepared differently."""

import sys
import warnings
from pathlib import Path

import anndata as ad
import mudata as md
import numpy as np
import pandas as pd
import pytest

import tgem
from tgem._core.errors import PreparationWarning

sys.path.insert(0, str(Path(__file__).parents[1]))
from epigenome_files import write_bedgraph, write_text

N_GENES = 40
KEY = "epi_preparation"
QUIET = {"enable_progress_bar": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two marks and methylation in two cell types around 40 genes."""
    folder, rng = tmp_path_factory.mktemp("tracks"), np.random.default_rng(0)
    for cell_type in ("liver", "brain"):
        for mark in ("H3K4me3", "H3K27me3"):
            starts = np.sort(rng.choice(100_000, 2000, replace=False))
            rows = [("1", int(s), int(s) + 1, float(rng.gamma(2.0))) for s in starts]
            write_bedgraph(folder / f"{cell_type}_{mark}.bg", rows)
        sites = np.sort(rng.choice(np.arange(1, 100_000, 2), 3000, replace=False))
        reads = [f"chr1\t{s}\t{s}\t50\t2\t2" for s in sites]
        write_text(folder / f"{cell_type}.cov", "\n".join(reads) + "\n")
    return folder


@pytest.fixture(scope="module")
def genes():
    rng = np.random.default_rng(1)
    strand = rng.choice(["+", "-"], N_GENES)
    table = {"chrom": "chr1", "tss": rng.integers(2000, 98_000, N_GENES), "strand": strand}
    return pd.DataFrame(table, index=[f"G{n}" for n in range(N_GENES)])


@pytest.fixture(scope="module")
def expression(genes):
    rng = np.random.default_rng(2)
    return pd.DataFrame(rng.gamma(2.0, size=(N_GENES, 2)), genes.index, ["liver", "brain"])


def histone(folder, genes, window=(-1000, 1000), cell_types=("liver", "brain"), **options):
    tracks = {
        cell_type: {m: folder / f"{cell_type}_{m}.bg" for m in ("H3K4me3", "H3K27me3")}
        for cell_type in cell_types
    }
    return tgem.pp.bin_signal(tracks, genes, window, n_bins=20, genome="hg38", **options)


@pytest.fixture(scope="module")
def modalities(folder, genes, expression):
    edges = pd.DataFrame({"tf": ["G0"] * 20 + ["G1"] * 20, "target": list(genes.index)})
    files = {cell_type: folder / f"{cell_type}.cov" for cell_type in ("liver", "brain")}
    return {
        "histone": histone(folder, genes),
        "methylation": tgem.pp.methylation_sequence(files, genes.iloc[:30], genome="GRCh38"),
        "tf": tgem.pp.tf_features(edges, expression, genes.index[5:]),
    }


@pytest.fixture(scope="module")
def mdata(modalities, expression):
    return tgem.pp.epigenome_mudata(modalities, expression)


@pytest.fixture(scope="module")
def model(mdata):
    set_up(mdata)
    model = tgem.model.EpiAttention(mdata)
    model.train(max_epochs=1, **QUIET)
    return model


def set_up(mdata):
    tgem.model.EpiAttention.setup_mudata(
        mdata, expression_key="expression", cell_type_key="cell_type", group_key=None
    )


def test_mudata_of_all_modalities(mdata, modalities, expression):
    assert mdata.n_obs == 2 * N_GENES
    assert mdata.obs_names.equals(modalities["histone"].obs_names)
    for name, modality in modalities.items():
        assert mdata[name].n_obs == modality.n_obs
        np.testing.assert_array_equal(mdata[name].X, modality.X)
    for row in (0, 7, N_GENES + 3):
        gene, cell_type = mdata.obs["gene_id"].iloc[row], mdata.obs["cell_type"].iloc[row]
        assert mdata.obs_names[row] == f"{gene}|{cell_type}"
        assert mdata.obs["expression"].iloc[row] == expression.loc[gene, cell_type]
    assert set(mdata.obs["chrom"]) == {"chr1"}


def test_model_reads_what_was_prepared(model, mdata, tmp_path):
    assert np.isfinite(model.predict()).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of mudata's readers and writers
        mdata.write_h5mu(tmp_path / "x.h5mu")
        back = md.read_h5mu(tmp_path / "x.h5mu")
    np.testing.assert_array_equal(model.predict(back), model.predict())
    model.save(tmp_path / "model")
    loaded = tgem.model.EpiAttention.load(tmp_path / "model", adata=mdata)
    np.testing.assert_allclose(loaded.predict(), model.predict(), rtol=1e-6)


@pytest.fixture
def prepare(folder, genes):
    return lambda **options: histone(folder, genes, **options)


@pytest.mark.parametrize(
    "case",
    [
        ({"window": (-2000, 2000)}, r"bin_width=100, found window=\[-2000, 2000\], bin_width=200"),
        ({"transform": "log1p"}, "transform='none', found transform='log1p'"),
        ({"window": (-500, 1500)}, r"found window=\[-500, 1500\]"),
    ],
)
def test_model_refuses_other_preparations(model, modalities, prepare, case):
    options, message = case
    new = tgem.pp.epigenome_mudata(modalities | {"histone": prepare(**options)})
    before = new["histone"].X.copy()
    with pytest.raises(ValueError, match=message) as error:
        model.predict(new)
    assert "mdata['histone']" in str(error.value)
    np.testing.assert_array_equal(new["histone"].X, before)


def test_model_refuses_another_genome(model, modalities, tmp_path):
    other = modalities["histone"].copy()
    other.uns[KEY] = {"settings": other.uns[KEY]["settings"] | {"genome": "hg19"}}
    with pytest.raises(ValueError, match="modalities of one genome"):
        tgem.pp.epigenome_mudata(modalities | {"histone": other})
    new = tgem.pp.epigenome_mudata({"histone": other, "tf": modalities["tf"]})
    new.mod["methylation"] = modalities["methylation"]
    model.save(tmp_path / "model")
    loaded = tgem.model.EpiAttention.load(tmp_path / "model")
    with pytest.raises(ValueError, match="genome='hg38', found genome='hg19'"):
        loaded.predict(new)


def test_model_warns_of_data_that_state_nothing(model, modalities):
    other = modalities["histone"].copy()
    del other.uns[KEY]
    new = tgem.pp.epigenome_mudata(modalities | {"histone": other})
    with pytest.warns(PreparationWarning, match="window=.*uns_merge='same'"):
        model.predict(new)


def test_joined_data_keep_their_settings(modalities, folder, genes):
    parts = [histone(folder, genes, cell_types=(each,)) for each in ("liver", "brain")]
    joined = ad.concat(parts, merge="same", uns_merge="same")
    assert list(joined.uns[KEY]["settings"]["window"]) == [-1000, 1000]
    np.testing.assert_array_equal(joined.X, modalities["histone"].X)
    np.testing.assert_array_equal(joined.var["bin"], modalities["histone"].var["bin"])


def test_joining_what_does_not_fit(modalities, expression, genes, folder):
    join = tgem.pp.epigenome_mudata
    with pytest.raises(ValueError, match="some of 'histone', 'methylation', 'tf'"):
        join({"marks": modalities["histone"]})
    single = tgem.pp.methylation_sequence(folder / "liver.cov", genes)
    with pytest.raises(ValueError, match="the same genes in all modalities"):
        join({"histone": modalities["histone"], "methylation": single})
    with pytest.raises(ValueError, match="a DataFrame genes x cell types"):
        join(modalities, expression["liver"])
    with pytest.raises(ValueError, match=r"each cell type \('liver', 'brain'\)"):
        join(modalities, expression[["liver"]])
    part = join({"methylation": single}, expression["liver"].iloc[:9])
    assert part.obs["expression"].notna().sum() == 9


def test_expression_that_does_not_fit_the_genes_is_explained(modalities, expression, genes):
    tracks = {"histone": modalities["histone"]}
    repeated = pd.concat([expression, expression.iloc[:2]])
    with pytest.raises(ValueError, match=r"unique genes in the index of `expression`.*'G0', 'G1'"):
        tgem.pp.epigenome_mudata(tracks, repeated)
    with pytest.raises(ValueError, match=r"unique cell types in the columns.*'liver'"):
        tgem.pp.epigenome_mudata(tracks, expression[["liver", "brain", "liver"]])
    with pytest.raises(ValueError, match=r"\('liver', 'brain'\), found none for 'brain'"):
        tgem.pp.epigenome_mudata(tracks, expression[["liver"]])
    edges = pd.DataFrame({"tf": ["G0"] * 20, "target": genes.index[:20]})
    one = {"tf": tgem.pp.tf_features(edges, expression["liver"])}
    with pytest.raises(ValueError, match=r"found none of them .*'ENSG_G0'") as error:
        tgem.pp.epigenome_mudata(one, expression["liver"].rename(index=lambda name: f"ENSG_{name}"))
    assert "cell type" not in str(error.value)
