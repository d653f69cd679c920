"""Data and models that several tests share."""

import os
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import scanpy as sc

import tgem

mpl.use("agg")

# Said by Lightning and its loggers, not by us; a normal run hides or shows them as the user likes.
QUIET = {"enable_progress_bar": False}


@pytest.fixture(scope="session")
def shared_data():
    """Folder of real data beside the project; tests skip without it."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TGEM_SHARED_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; name the folder in TGEM_SHARED_DATA")
    return folder


@pytest.fixture
def tiny_adata():
    """Eighty simulated cells of four types with 40 genes."""
    return tgem.datasets.synthetic_expression(n_obs=80, n_genes=40, seed=1)


@pytest.fixture(scope="session")
def pbmc():
    """Seven hundred real blood cells; log-normalised values in `.raw`. Copy before writing."""
    return sc.datasets.pbmc68k_reduced()


@pytest.fixture(scope="session")
def trained():
    """A TGEM trained on simulated cells, and its data. Do not write into either."""
    adata = tgem.datasets.synthetic_expression(n_obs=300, n_genes=60, effect=2.0, seed=0)
    tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    model = tgem.model.TGEM(adata)
    model.train(max_epochs=10, **QUIET)
    return model, adata


@pytest.fixture
def generator():
    """Seeded random numbers."""
    return np.random.default_rng(0)
