"""Strategies of hypothesis: data sets that users bring."""

import anndata as ad
import numpy as np
import pandas as pd
from hypothesis import strategies as st
from scipy import sparse

STORAGES = {
    "dense": np.asarray,
    "dense64": lambda x: x.astype(np.float64),
    "fortran": np.asfortranarray,
    "csr": sparse.csr_matrix,
    "csc": sparse.csc_matrix,
    "csr_array": sparse.csr_array,
    "csc_array": sparse.csc_array,
}


@st.composite
def expressions(draw, gene_names, max_obs=12):
    """Log-normalised AnnData of the given genes, in a random storage, some cells empty."""
    n_obs = draw(st.integers(1, max_obs))
    seed = draw(st.integers(0, 2**16))
    sparsity = draw(st.floats(0, 0.95))
    generator = np.random.default_rng(seed)
    values = generator.exponential(1.0, size=(n_obs, len(gene_names)))
    values[generator.random(values.shape) < sparsity] = 0
    # a fraction in one place, so that no draw looks like counts
    values[0, 0] = 0.5
    storage = draw(st.sampled_from(sorted(STORAGES)))
    return ad.AnnData(
        STORAGES[storage](np.minimum(values, 12).astype(np.float32)),
        obs=pd.DataFrame(index=[f"cell {i}" for i in range(n_obs)]),
        var=pd.DataFrame(index=list(gene_names)),
    )


@st.composite
def permutations(draw, size):
    """A permutation of `size` positions."""
    return np.random.default_rng(draw(st.integers(0, 2**16))).permutation(size)
