"""Classifiers whose attention between genes is read as a network."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from tgem._core.validate import cell_indices, check_choice, check_count
from tgem.model._base._attention_ladder import ExplainedAttentionClassifier
from tgem.model._base._attention_network import COLUMNS, AttentionNetwork, check_completeness
from tgem.model._base._cell_groups import column_of_groups, groups_of_cells
from tgem.model._base._explained_attention import AttentionExplainer, edge_table, layer_table

if TYPE_CHECKING:
    from anndata import AnnData

    from tgem.data import FieldDataset
    from tgem.model._base._registered import Cells

N_EDGES = 10_000


class NetworkClassifier(ExplainedAttentionClassifier):
    """A classifier whose attention between genes is read as a network."""

    @property
    def digest(self) -> str:
        """A name for the weights, to tell which model a result is of."""
        found = hashlib.sha256()
        for name, value in sorted(self.module.state_dict().items()):
            found.update(name.encode())
            found.update(value.detach().cpu().contiguous().numpy().tobytes())
        return found.hexdigest()[:16]

    def _default_edges(self) -> tuple[int | None, float | None]:
        """`n_edges` and `top_fraction` where the caller names neither."""
        return N_EDGES, None

    def get_network(
        self, adata: AnnData | None = None, indices: Cells = None, **options: Any
    ) -> pd.DataFrame:
        """Return for each class the genes whose attention to which genes decided.

        Parameters
        ----------
        adata, indices, options
            As in :meth:`get_attention_network`, which returns how exact the network is too.

        Returns
        -------
        DataFrame with the columns ``class``, ``layer``, ``source`` (the gene that attends: its
        level sets how much it looks at the target), ``target`` (the gene that is attended to: its
        level is read) and ``weight``.
        """
        return self.get_attention_network(adata, indices, **options).edges

    def get_attention_network(
        self,
        adata: AnnData | None = None,
        indices: Cells = None,
        *,
        groupby: str | None = None,
        n_edges: int | None = None,
        top_fraction: float | None = None,
        baseline: Literal["zero", "mean"] = "zero",
        n_cells: int | None = 1000,
        n_steps: int = 16,
        n_reference: int | None = None,
        batch_size: int | None = None,
        seed: int = 0,
    ) -> AttentionNetwork:
        r"""Attribute the logit of each class to the attention maps of each layer.

        The weight of the edge from gene *i* to gene *j* is the part of the class's logit that
        Integrated Gradients give to the attention of *i* to *j*: what changes when this weight of
        the map goes from the baseline's value to the cell's own. It is the mean over the cells of
        the class, summed over heads and divided by the layer's largest absolute value. A positive
        edge speaks for the class. The maps of one layer change; the layers after it read what
        follows from that.

        Parameters
        ----------
        adata
            Cells; ``None`` for the training data.
        indices
            Positions of the cells, or a boolean mask; ``None`` for all.
        groupby
            Column of ``adata.obs``: a network for each of its values. By default, the labels that
            the model was trained on. Of a group with the name of a class, the cells that the model
            gives this class are averaged over, so that the class's network is that of correctly
            typed cells; of other groups all cells are. Each explains its predicted class. Without
            labels, the predicted ones are taken.
        n_edges
            Strongest edges of a class, of all layers together. By default 10,000, in the paper
            preset the published share.
        top_fraction
            Share of all pairs of genes in all layers to keep instead; published: 0.001.
        baseline
            ``"zero"``: the maps of a cell that expresses nothing. ``"mean"``: the mean maps of
            training cells, so that the network shows what is specific to the cells.
        n_cells
            Cells of a class to average over, chosen at random where there are more; ``None`` for
            all. Memory grows with them.
        n_steps
            Points between the baseline's maps and the cell's, where the network is not linear in
            its attention, as that of the default preset is. Cells in which the attributions do not
            add up to within a hundredth get 4 times as many.
        n_reference
            Training cells for the mean maps; as in :meth:`get_attention_ladder`.
        batch_size
            Cells per pass; by default as many as fit into a gigabyte.
        seed
            Seed of the choice of cells.

        Returns
        -------
        Edges, strongest first in each class, and how exact they are.

        Raises
        ------
        RuntimeError
            If the model is not trained.
        ValueError
            If no class has a cell, for an unknown baseline, numbers out of range, or if the model
            holds no attention between genes.
        KeyError
            If there is no column `groupby`.
        """
        self._check_attention()
        check_choice("baseline", baseline, ("zero", "mean"))
        check_count("n_steps", n_steps)
        for name, value in {"batch_size": batch_size, "n_cells": n_cells}.items():
            if value is not None:
                check_count(name, value)
        _check_edges(n_edges, top_fraction)
        dataset = self._dataset(adata)
        cells = cell_indices(indices, len(dataset))
        predicted = self._outputs_of(dataset, cells, None).argmax(axis=1)
        groups = self._groups(adata, dataset, cells, predicted, groupby=groupby)
        generator = np.random.default_rng(seed)
        explainer = AttentionExplainer(
            self.module,
            len(self.gene_names),
            reference=self._reference_states(n_reference, seed) if baseline == "mean" else None,
            n_steps=n_steps,
            batch_size=batch_size,
        )
        if n_edges is None and top_fraction is None:
            n_edges, top_fraction = self._default_edges()
        if n_edges is None:
            n_pairs = explainer.n_layers * len(self.gene_names) ** 2
            n_edges = max(1, round((top_fraction or 0) * n_pairs))
        edges, layers, used = [], [], []
        for label, group in groups.items():
            members = group
            if n_cells is not None and len(group) > n_cells:
                members = np.sort(generator.choice(group, size=n_cells, replace=False))
            found = [
                explainer.network(
                    lambda chosen: dataset.read(self._features, chosen),
                    *(cells[members], predicted[members]),
                    layer=layer,
                    n_edges=n_edges,
                )
                for layer in range(explainer.n_layers)
            ]
            edges.append(edge_table(found, self.gene_names, label=label, n_edges=n_edges))
            layers.append(layer_table(found, label=label))
            used.append(cells[members])
        result = AttentionNetwork(
            pd.concat(edges, ignore_index=True)[list(COLUMNS)],
            pd.concat(layers, ignore_index=True),
            np.concatenate(used),
        )
        check_completeness(result.layers, n_steps)
        return result

    def _groups(
        self,
        adata: AnnData | None,
        dataset: FieldDataset,
        cells: np.ndarray[Any, Any],
        predicted: np.ndarray[Any, Any],
        *,
        groupby: str | None,
    ) -> dict[Any, np.ndarray[Any, Any]]:
        """Positions, among `cells`, of the cells of each group."""
        names: np.ndarray[Any, Any] = self.classes[predicted]
        if groupby is not None:
            given = column_of_groups(self._data(adata), cells, groupby)
        else:
            given = self._given_labels(dataset, cells)
            if given.isna().all():
                given = pd.Series(names, dtype=object)
        return groups_of_cells(given, names, self.classes)

    def _given_labels(self, dataset: FieldDataset, cells: np.ndarray[Any, Any]) -> pd.Series[Any]:
        """Labels in the data that the model knows, missing elsewhere."""
        if self._label_field().is_empty:
            return pd.Series(np.full(len(cells), None, dtype=object))
        codes = dataset.read(self._labels, cells)
        return pd.Series(
            [self.classes[code] if code >= 0 else None for code in codes], dtype=object
        )


def _check_edges(n_edges: int | None, top_fraction: float | None) -> None:
    if n_edges is not None and top_fraction is not None:
        msg = (
            f"Expected one of `n_edges` and `top_fraction`, got both ({n_edges!r} and "
            f"{top_fraction!r})."
        )
        raise ValueError(msg)
    if n_edges is not None:
        check_count("n_edges", n_edges)
    if top_fraction is not None and not (math.isfinite(top_fraction) and 0 < top_fraction <= 1):
        msg = f"Expected `top_fraction` above 0 and at most 1, got {top_fraction!r}."
        raise ValueError(msg)
