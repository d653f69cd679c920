"""How measurements were prepared, so that a model refuses data prepared differently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tgem._core import keys
from tgem._core.errors import PreparationWarning, listed, warn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData

SETTINGS = "settings"


def preparation_of(table: AnnData) -> dict[str, Any]:
    """Settings that the data state, as plain Python values; empty if they state none."""
    stated = table.uns.get(keys.PREPARATION.key(), {}).get(SETTINGS, {})
    return {str(name): _plain(value) for name, value in stated.items()}


def _plain(value: Any) -> Any:
    """Python scalars and lists, which survive JSON and compare by value."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def check_preparation(trained: Mapping[str, Any], table: AnnData, called: str) -> None:
    """Raise if the data state other settings than the training data; warn if they state none."""
    own = preparation_of(table)
    if not trained:
        return
    where = f"{called}.uns[{keys.PREPARATION.key()!r}]"
    if not own:
        msg = (
            f"{called} does not say how it was prepared. The model's training data were prepared "
            f"with {_shown(trained, trained)}. Prepare new data in the same way, or keep {where} "
            "when joining data, with `anndata.concat(..., merge='same', uns_merge='same')`."
        )
        warn(msg, PreparationWarning)
        return
    different = [name for name in trained if name in own and own[name] != trained[name]]
    if different:
        msg = (
            f"Expected {called} to be prepared as the model's training data, with "
            f"{_shown(trained, different)}, found {_shown(own, different)} ({where}). Prepare it "
            f"again with the same {listed(different)}, or train a model on data prepared like "
            "these."
        )
        raise ValueError(msg)


def _shown(settings: Mapping[str, Any], names: Any) -> str:
    return ", ".join(f"{name}={settings[name]!r}" for name in names)
