"""What the model says of a factor turned down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tgem._core.errors import listed
from tgem._core.scvi_compat import field_states
from tgem.model.deepsf._contextual import ContextualModel
from tgem.model.deepsf._knockdown import collect_changes, mean_changes
from tgem.model.deepsf._module import GENES_KEY

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from mudata import MuData

    from tgem.model._base._registered import Cells


class IntervenedModel(ContextualModel):
    """Getters of knock-downs."""

    def knockdown(
        self,
        factor: str,
        mdata: MuData | None = None,
        indices: Cells = None,
        *,
        fold: float = 0.3,
        models: Sequence[IntervenedModel] = (),
    ) -> pd.DataFrame:
        """Predict how isoforms change when a factor is turned down, or up.

        Only the factor's own input changes: gene expression, its own gene's included, and context
        stay at the sample's values. A prediction far outside the training range is an
        extrapolation; factors are clipped there, where the decoder's preset says so.

        Parameters
        ----------
        factor
            Name or symbol of a splicing factor of the model.
        mdata
            Samples; ``None`` for the training data.
        indices
            Positions of the samples, or a boolean mask; ``None`` for all.
        fold
            What the factor's TPM are multiplied by: 0.3 leaves 30 %, 0 is a knock-out.
        models
            Other members of an ensemble: models of the same data trained from other seeds.

        Returns
        -------
        DataFrame, one row per isoform: ``gene``; ``expression_change``, the mean over samples of
        the change of log2(1 + TPM) (of logit PSI for ``"psi"``); ``usage_change``; and
        ``..._spread``, the standard deviation of both over this model and `models`, NaN for one
        model.

        Raises
        ------
        ValueError
            If the factor is not in the model, `fold` is negative, or a member differs in its
            isoforms.
        """
        if not np.isfinite(fold) or fold < 0:
            msg = f"Expected `fold` to be a finite number of at least 0, got {fold!r}."
            raise ValueError(msg)
        members = []
        for member in (self, *models):
            if not member.isoform_names.equals(self.isoform_names):
                msg = "Expected all members of the ensemble to have the same isoforms."
                raise ValueError(msg)
            # members need not hold the data themselves
            data = self._data(mdata) if mdata is None and member is not self else mdata
            blocks = (genes for genes, _ in member._blocks(data, indices))
            members.append(mean_changes(member.module, blocks, member._factor(factor), fold))
        return collect_changes(members, self.isoform_names, self.isoform_genes)

    def _factor(self, name: str) -> int:
        """Position of a factor, by name or symbol."""
        symbols = field_states(self.registry_)[GENES_KEY]["factor_symbols"]
        for names in (list(self.factor_names), symbols):
            if names.count(name) == 1:
                return names.index(name)
            if name in names:
                msg = f"{name!r} is the symbol of several factors. Name one by its identifier."
                raise ValueError(msg)
        msg = (
            f"Expected a splicing factor of the model, got {name!r}. `model.factor_names` lists "
            f"them, among them {listed(symbols)}."
        )
        raise ValueError(msg)

    @property
    def decoder(self) -> str:
        """Name of the decoder."""
        return str(self._init_params["decoder"])
