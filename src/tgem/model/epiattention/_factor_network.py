"""The strongest edges from factors to the genes whose prediction they change."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core.errors import listed
from tgem._core.scvi_compat import SETUP_ARGS
from tgem._core.validate import cell_indices, check_choice, check_count
from tgem.model.epiattention import _genes
from tgem.model.epiattention._attribution import (
    METHODS_WITHOUT_NOISE,
    attribute_modalities,
    without_factors,
)
from tgem.model.epiattention._explained import ExplainedEpigenome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tgem.data import Data
    from tgem.model._base._registered import Cells

    Array = np.ndarray[Any, Any]

NOT_AT_THE_GENE = "expression"  # feature of a factor that is the same at every gene


class EpigenomeNetwork(ExplainedEpigenome):
    """The network of factors and genes that EpiAttention's attributions draw."""

    def get_factor_network(
        self,
        mdata: Data | None = None,
        indices: Cells = None,
        *,
        n_edges: int = 1000,
        method: str = "integrated_gradients",
        n_steps: int = 50,
        batch_size: int = 64,
    ) -> pd.DataFrame:
        """Return which factor, where it is at a gene, raises or lowers its prediction.

        Each gene is compared with itself without any factor: the features of factors at 0, but for
        the factors' own expression (a feature called ``expression``), and everything else as it
        is. So only genes that a factor is at, by its edge, binding site or signal, are its targets.

        Parameters
        ----------
        mdata, indices, method, n_steps, batch_size
            As in :meth:`get_attributions`.
        n_edges
            Number of edges to keep in each cell type, the strongest by absolute weight.

        Returns
        -------
        DataFrame, the strongest edge of each cell type first: ``class`` (the cell type, or
        ``"all"``), ``source`` (factor), ``target`` (gene), ``weight`` (attribution of the gene's
        output to the factor, its features added up; positive where the factor raises it).

        Raises
        ------
        ValueError
            If the model has no factors, or only their expression, or a gene occurs twice in a cell
            type.
        """
        check_count("n_edges", n_edges)
        check_choice("method", method, METHODS_WITHOUT_NOISE)
        if "tf" not in self.modalities:
            msg = (
                "Expected a model with the modality 'tf', whose factors are the sources of the "
                f"network; this one has {listed(self.modalities)}."
            )
            raise ValueError(msg)
        factors, features = self.feature_names("tf")
        at_gene = [i for i, name in enumerate(features) if str(name) != NOT_AT_THE_GENE]
        if not at_gene:
            msg = (
                "Expected features that say where factors are, such as edges or binding, found "
                f"only {NOT_AT_THE_GENE!r}, which is the same at every gene."
            )
            raise ValueError(msg)
        data = self._data(mdata)
        chosen = cell_indices(indices, data.n_obs)
        genes = _genes.gene_names(data, self.registry_[SETUP_ARGS]["gene_key"])[chosen]
        cell_types = self._cell_types(mdata)[chosen]
        check_gene_once(genes, cell_types)
        read = self._read(mdata, chosen, batch_size)
        found = attribute_modalities(
            self.module,
            read.batches,
            method=method,
            baseline=partial(without_factors, self.module, features=at_gene),
            n_steps=n_steps,
            batch_size=batch_size,
        )
        weights = found.values["tf"].sum(2, dtype=np.float64)
        genes, cell_types = genes[read.measured], cell_types[read.measured]
        return factor_network(weights, factors, genes, cell_types, n_edges=n_edges)


def check_gene_once(genes: Array, cell_types: Array) -> None:
    """Raise if two observations would be one node of the network."""
    table = pd.DataFrame({"gene": genes, "cell_type": cell_types})
    repeated = table.duplicated()
    if repeated.any():
        first = table[repeated].iloc[0]
        msg = (
            f"Expected each gene once in each cell type, found {int(repeated.sum())} of "
            f"{len(table)} observations that repeat one, such as gene {first['gene']!r} in "
            f"{first['cell_type']!r} (genes: {listed(table['gene'].unique(), 3)}). Set the model "
            "up with `cell_type_key` and `gene_key`, or choose one observation of each gene."
        )
        raise ValueError(msg)


def factor_network(
    weights: Array, factors: Sequence[Any], genes: Array, cell_types: Array, *, n_edges: int
) -> pd.DataFrame:
    """Strongest edges of each cell type, from a matrix of observations x factors.

    A weight of 0, that of a gene that the factor is not at, is no edge. Equal weights are
    ordered by factor, then by gene, so that the order of the observations does not matter.
    """
    names = np.array([str(factor) for factor in factors], dtype=object)
    tables = []
    for label in dict.fromkeys(cell_types):
        rows = np.flatnonzero(cell_types == label)
        part = weights[rows]
        sizes = np.abs(part)
        # Everything at least as strong as the last edge to keep, so that ties are seen whole.
        place = max(sizes.size - n_edges, 0)
        least = np.partition(sizes, place, axis=None)[place] if sizes.size else 0.0
        at, factor = np.nonzero((sizes >= least) & (sizes > 0))
        edges = pd.DataFrame(
            {
                "class": str(label),
                "source": names[factor],
                "target": genes[rows][at].astype(object),
                "weight": part[at, factor],
            }
        )
        order = edges.assign(size=-edges["weight"].abs()).sort_values(["size", "source", "target"])
        tables.append(edges.loc[order.index[:n_edges]])
    columns = ["class", "source", "target", "weight"]
    filled = [table for table in tables if len(table)]
    if not filled:
        return pd.DataFrame(columns=columns).astype({"weight": np.float64})
    return pd.concat(filled, ignore_index=True)[columns]
