"""What models of measured values share: splits without classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tgem._core.errors import listed
from tgem.data import LEAVE_SPLIT, FieldDataset, Split, split_from_column, stratified_split
from tgem.model._base._model import SupervisedModel

if TYPE_CHECKING:
    import pandas as pd

    from tgem.data import Data


class RegressionModel(SupervisedModel):
    """A model of measured values: every sample can be trained on."""

    def _make_split(self, dataset: FieldDataset, split_key: str | None, **sizes: Any) -> Split:
        codes = np.zeros(len(dataset), dtype=int)
        if split_key is None:
            return stratified_split(codes, **sizes)
        column = self._column(self._data(None), split_key)
        return split_from_column(column, codes, split_key, table="mdata.obs", advice=LEAVE_SPLIT)

    def _column(self, data: Data, key: str) -> pd.Series[Any]:
        """A column of the samples, from the MuData's own table or that of a modality."""
        tables = [data.obs, *(table.obs for table in getattr(data, "mod", {}).values())]
        for table in tables:
            if key in table:
                return table[key].reindex(data.obs_names)
        known = dict.fromkeys(str(name) for table in tables for name in table)
        msg = f"Expected {key!r} in mdata.obs. Available: {listed(known, 12) or 'none'}."
        raise KeyError(msg)
