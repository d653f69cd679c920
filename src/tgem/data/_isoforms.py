"""Isoforms of the same samples as genes: which isoform belongs to which gene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core.errors import GeneAlignmentWarning, listed, warn
from tgem._core.validate import check_key
from tgem.data._isoform_totals import warn_of_totals
from tgem.data._matrix import Array, take_rows
from tgem.data._names import match_names
from tgem.data._table import TableField
from tgem.data._tpm import TpmSummary, check_expression_of_psi, check_tpm, summarize_tpm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tgem.data._field import Data, RowReader, State
    from tgem.data._gene_tpm import GeneField


class IsoformField(TableField):
    """Expression of isoforms in TPM, or values of events in 0 to 1, and the gene of each.

    Isoforms of genes with one isoform, and isoforms whose gene is not in the data, are set aside:
    their usage is no question. Events (PSI) are all kept, except those never observed.

    Parameters
    ----------
    registry_key
        Name of the tensor in a minibatch.
    modality, layer
        Where the values are.
    gene_id_key
        Column of ``.var`` with the gene of each isoform.
    genes
        The field of the genes.
    """

    _kind = "isoforms"

    def __init__(
        self,
        registry_key: str,
        *,
        modality: str | None,
        layer: str | None,
        gene_id_key: str,
        genes: GeneField,
    ) -> None:
        super().__init__(registry_key, modality=modality, layer=layer)
        self._gene_id_key, self._genes = gene_id_key, genes

    def _summary(self, data: Data) -> TpmSummary:
        """Check both modalities: the rule for genes depends on what the isoforms hold."""
        summary = summarize_tpm(self.matrix(data))
        genes, location = summarize_tpm(self._genes.matrix(data)), self._genes.location(data)
        if summary.looks_like_psi:
            check_expression_of_psi(genes, location)
        else:
            check_tpm(summary, self.location(data))
            check_tpm(genes, location)
        return summary

    def validate_field(self, data: Data) -> None:
        """Raise for names and values that no model can use."""
        self.names(data)
        self._summary(data)

    def register_field(self, data: Data) -> State:
        """Remember the isoforms kept, the gene of each, and what was set aside."""
        table: Any = self.table(data)
        names = self.names(data)
        check_key(table, "var", self._gene_id_key, self.called(data))
        summary = self._summary(data)
        ids = pd.Index(table.var[self._gene_id_key].astype(str))
        place = f"{self._genes.called(data)}.var_names"
        matched = match_names(ids, self._genes.names(data), place, kind="genes")
        genes = matched.columns
        if matched.without_version:
            msg = (
                f"{self.called(data)}.var[{self._gene_id_key!r}] and {place} agree only without "
                "the version suffix of Ensembl identifiers (.1, .2, ...): it is left away."
            )
            warn(msg, GeneAlignmentWarning)
        if (genes < 0).all() and not summary.looks_like_psi:
            msg = (
                f"Expected the genes of {self.called(data)}.var[{self._gene_id_key!r}] in {place}, "
                f"found none of them: {listed(ids[:3])} against "
                f"{listed(self._genes.names(data)[:3])}. Bring both to the same identifiers."
            )
            raise ValueError(msg)
        keep = self._kept(data, genes, summary)
        state = {
            "column_names": names[keep].tolist(),
            "genes": genes[keep].tolist(),
            "values": "psi" if summary.looks_like_psi else "tpm",
        }
        state |= _left_out(names[~keep], genes[~keep], is_psi=summary.looks_like_psi)
        if state["n_without_gene"]:
            msg = f"{self.set_aside(state)[-1]}."
            warn(msg, GeneAlignmentWarning)
        self._compare_totals(data, np.flatnonzero(keep), genes[keep], state["values"])
        return state

    def _compare_named_totals(self, data: Data, values: str) -> None:
        """The same of new data, if they say which gene each isoform is of."""
        table: Any = self.table(data)
        if self._gene_id_key in table.var:
            ids = pd.Index(table.var[self._gene_id_key].astype(str))
            genes = match_names(ids, self._genes.names(data), "", kind="genes").columns
            self._compare_totals(data, np.flatnonzero(genes >= 0), genes[genes >= 0], values)

    def _compare_totals(self, data: Data, isoforms: Array, genes: Array, values: str) -> None:
        """Warn where isoforms that are there sum to more than their gene."""
        if values == "tpm" and len(isoforms):
            matrix, of_genes = self.matrix(data), self._genes.matrix(data)
            warn_of_totals(
                self.paired(data, lambda rows: take_rows(matrix, rows)[:, isoforms]),
                self._genes.paired(data, lambda rows: take_rows(of_genes, rows)),
                genes,
                n_obs=data.n_obs,
                location=self.location(data),
            )

    def _kept(self, data: Data, genes: Array, summary: TpmSummary) -> Array:
        if summary.looks_like_psi:
            observed = [
                (~np.isnan(take_rows(self.matrix(data), np.array([row])))).ravel()
                for row in range(self.matrix(data).shape[0])
            ]
            return np.any(observed, axis=0)
        counts = np.bincount(genes[genes >= 0], minlength=1)
        keep: Array = (genes >= 0) & (counts[np.maximum(genes, 0)] > 1)
        if not keep.any():
            msg = (
                f"Expected genes with two or more isoforms in {self.called(data)}, found none "
                f"among {len(genes)} isoforms: without a choice there is no usage to learn."
            )
            raise ValueError(msg)
        return keep

    def transfer_field(self, state_registry: State, adata_target: Data, **_: Any) -> State:
        """Check the values of new data; isoforms that are absent are compared with nothing."""
        if self.is_present(adata_target):
            summary = self._summary(adata_target)
            found = "psi" if summary.looks_like_psi else "tpm"
            if found != state_registry["values"]:
                msg = (
                    f"Expected {state_registry['values']} in {self.location(adata_target)}, as in "
                    f"training, found {found} (values from {summary.minimum:g} to "
                    f"{summary.maximum:g})."
                )
                raise ValueError(msg)
            self._compare_named_totals(adata_target, found)
        else:
            genes = summarize_tpm(self._genes.matrix(adata_target))
            check = check_tpm if state_registry["values"] == "tpm" else check_expression_of_psi
            check(genes, self._genes.location(adata_target))
        return dict(state_registry)

    def is_present(self, data: Data) -> bool:
        """Whether the data hold isoforms: a prediction needs genes alone."""
        return self.mod_key in getattr(data, "mod", {})

    def reader(self, data: Data, state: State) -> RowReader:
        """Rows as float32; NaN where the data lack an isoform."""
        if not self.is_present(data):
            n_isoforms = len(state["column_names"])
            return lambda rows: np.full((len(rows), n_isoforms), np.nan, dtype=np.float32)
        return super().reader(data, state)

    def set_aside(self, state: State) -> Sequence[str]:
        """Sentences on the isoforms that the model does not look at."""
        if state["values"] == "psi":
            # Models saved by earlier versions counted these events as isoforms.
            of_isoforms = state["n_single"] + state["n_without_gene"]
            n = state.get("n_unobserved", of_isoforms)
            return [f"{n} events set aside, missing in all samples"] if n else []
        sentences = []
        if state["n_single"]:
            sentences.append(f"{state['n_single']} isoforms set aside, the only one of their gene")
        if state["n_without_gene"]:
            sentences.append(
                f"{state['n_without_gene']} isoforms set aside, their gene is not in the gene "
                f"modality: {listed(state['without_gene'])}"
            )
        return sentences


def _left_out(names: pd.Index, genes: Array, *, is_psi: bool) -> State:
    """Why isoforms or events are not in the model: one reason for events, two for isoforms."""
    lost = genes < 0
    if is_psi:
        return {
            "n_unobserved": len(names),
            "n_single": 0,
            "n_without_gene": 0,
            "without_gene": [],
        }
    return {
        "n_unobserved": 0,
        "n_single": int((~lost).sum()),
        "n_without_gene": int(lost.sum()),
        "without_gene": names[lost][:5].tolist(),
    }
