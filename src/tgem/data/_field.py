"""What the fields of a model share: what to read, and from which modality."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from anndata import AnnData
from mudata import MuData
from scvi.data.fields import BaseAnnDataField

from tgem._core.errors import listed
from tgem.data._matrix import Array

State = dict[str, Any]
RowReader = Callable[[Array], Array]
Data: TypeAlias = AnnData | MuData


class Field(BaseAnnDataField):
    """One thing that a model reads. It remembers at set-up what must hold for later data.

    Nothing is written into the data.

    Parameters
    ----------
    registry_key
        Name of the tensor in a minibatch.
    attr_name, attr_key
        Container in AnnData, and key in it.
    modality
        Modality of a MuData; ``None`` for an AnnData, or for the MuData's own tables.
    """

    def __init__(
        self, registry_key: str, attr_name: str, attr_key: str | None, modality: str | None = None
    ) -> None:
        super().__init__()
        self._registry_key, self._attr_name, self._attr_key = registry_key, attr_name, attr_key
        self._modality = modality

    @property
    def registry_key(self) -> str:
        """Name of the tensor in a minibatch."""
        return self._registry_key

    @property
    def attr_name(self) -> str:
        """Container in AnnData."""
        return self._attr_name

    @property
    def attr_key(self) -> str | None:
        """Key in the container."""
        return self._attr_key

    @property
    def mod_key(self) -> str | None:
        """Modality of a MuData."""
        return self._modality

    @property
    def is_empty(self) -> bool:
        """Whether the user named nothing for this field."""
        return False

    def view_state_registry(self, state_registry: State) -> None:
        """Print nothing: the model's own summary says it."""

    def reader(self, data: Data, state: State) -> RowReader:
        """Return a function from positions of observations to an array of their values."""
        raise NotImplementedError

    def table(self, data: Data) -> Data:
        """Return the modality, or the data themselves."""
        if self._modality is None:
            return data
        if not isinstance(data, MuData):
            msg = f"Expected a MuData with modality {self._modality!r}, got {type(data).__name__}."
            raise TypeError(msg)
        if self._modality not in data.mod:
            msg = f"Expected modality {self._modality!r} in mdata.mod. Found: {listed(data.mod)}."
            raise KeyError(msg)
        return data.mod[self._modality]

    def called(self, data: Data) -> str:
        """Name the table as the user would write it."""
        if self._modality is not None:
            return f"mdata[{self._modality!r}]"
        return "mdata" if isinstance(data, MuData) else "adata"

    def paired(self, data: Data, read: RowReader) -> RowReader:
        """Read rows of a modality by the names of the observations, whatever their order there."""
        positions = self.positions(data)
        return read if positions is None else lambda rows: read(positions[rows])

    def positions(self, data: Data) -> Array | None:
        """Position in the modality of each observation; None if the order is the same."""
        table = self.table(data)
        if table is data or table.obs_names.equals(data.obs_names):
            return None
        if not table.obs_names.is_unique:
            msg = (
                f"Expected unique names of observations in {self.called(data)}, to pair the "
                "modalities by name. Rename them with `.obs_names_make_unique()`."
            )
            raise ValueError(msg)
        positions: Array = table.obs_names.get_indexer(data.obs_names)
        absent = data.obs_names[positions < 0]
        if len(absent):
            msg = (
                f"Expected every observation in every modality, but {len(absent)} of "
                f"{data.n_obs} are not in {self.called(data)}: {listed(absent)}. Keep the others "
                f"with `mdata = mdata[mdata.obs_names.isin({self.called(data)}.obs_names)].copy()`."
            )
            raise ValueError(msg)
        return positions
