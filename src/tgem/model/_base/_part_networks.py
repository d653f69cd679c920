"""The networks of parts of the cells, on one scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData

from tgem._core.validate import cell_indices as cells_of
from tgem.data import FeatureField
from tgem.model._base._network_classifier import NetworkClassifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tgem.model._base._registered import Cells

_PART = "part of cells"


class PartNetworkClassifier(NetworkClassifier):
    """A classifier whose network can be read from parts of the cells, to compare them."""

    def get_networks_of_parts(
        self, parts: Sequence[Cells], adata: AnnData | None = None, **options: Any
    ) -> list[pd.DataFrame]:
        """Return the network of each of several parts of the cells.

        Parameters
        ----------
        parts
            Positions of the cells of each part, none in two.
        adata, options
            As in :meth:`get_attention_network`. All cells of a part are averaged over, each
            explaining its predicted class.

        Returns
        -------
        DataFrames with the columns ``layer``, ``source``, ``target`` and ``weight``, which is not
        scaled here but what the edge adds to the logit, so that parts can be compared.

        Raises
        ------
        RuntimeError
            If this model is not trained.
        """
        self._check_trained()
        names = np.full(self._data(adata).n_obs, None, dtype=object)
        labels = [f"{_PART} {number}" for number in range(len(parts))]
        for label, cells in zip(labels, parts, strict=True):
            names[cells_of(cells, len(names))] = label
        data = self._with_columns(adata, **{_PART: names})
        found = self.get_attention_network(data, pd.notna(names), groupby=_PART, **options)
        largest = found.layers.set_index(["class", "layer"])["largest"]
        scales = largest.reindex(pd.MultiIndex.from_frame(found.edges[["class", "layer"]]))
        edges = found.edges.assign(weight=found.edges["weight"] * scales.to_numpy())
        rest = ["layer", "source", "target", "weight"]
        return [edges.loc[edges["class"] == label, rest] for label in labels]

    def _with_columns(self, adata: AnnData | None, **columns: Any) -> AnnData:
        """Cells with other columns, sharing the expression that the model reads."""
        data = self._data(adata)
        if data.isbacked:
            data = data.to_memory()
        field = next(field for field in self._fields if field.registry_key == self._features)
        if not isinstance(field, FeatureField):
            raise TypeError(self._features)
        source = field.source(data)
        obs, var = data.obs.assign(**columns), pd.DataFrame(index=source.names)
        # where this model reads it, and where a new one does
        layers = {field.attr_key: source.matrix} if field.attr_name == "layers" else None
        return AnnData(X=source.matrix, obs=obs, var=var, layers=layers)
