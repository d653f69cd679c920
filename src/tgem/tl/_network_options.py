"""How the network in the data was read, so that others can be read in the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tgem._core.networks import network_key, network_params, read_network

if TYPE_CHECKING:
    from anndata import AnnData

    from tgem.model._base import RetrainedClassifier

_OPTIONS = ("groupby", "n_edges", "top_fraction", "baseline", "seed")


def options_of_network(
    adata: AnnData, model: RetrainedClassifier, prefix: str
) -> tuple[np.ndarray[Any, Any] | None, dict[str, Any]]:
    """Cells and options with which :func:`tgem.tl.network` read the network of this model."""
    read_network(adata, prefix)
    params = network_params(adata, prefix)
    key = network_key(prefix)
    if "model_digest" not in params:
        msg = (
            f"Expected .uns[{key!r}] to be a network that tgem.tl.network wrote from this model, "
            "but how it was made is not recorded. Write it with `tgem.tl.network(adata, model)`."
        )
        raise ValueError(msg)
    model._check_retrainable()
    if str(params["model_digest"]) != model.digest:
        msg = (
            f"Expected the model whose network is in .uns[{key!r}], got another one, or the same "
            "one trained further. Write its network with `tgem.tl.network(adata, model)`."
        )
        raise ValueError(msg)
    options = {name: _plain(params[name]) for name in _OPTIONS if name in params}
    indices = params.get("indices")
    if indices is not None and (not len(indices) or np.max(indices) >= adata.n_obs):
        msg = (
            f"Expected the cells that the network in .uns[{key!r}] was read from, but adata has "
            f"{adata.n_obs} cells and the network was read from cell {int(np.max(indices))}. Write "
            "the network of these cells with `tgem.tl.network(adata, model)`."
        )
        raise ValueError(msg)
    return indices, options


def reading_of_network(params: dict[str, Any]) -> str:
    """One text for all that decides how a network was read, to compare two of them."""
    names = ("model_digest", *_OPTIONS)
    parts = [f"{name}={_plain(params[name])!r}" for name in names if name in params]
    indices = params.get("indices")
    if indices is not None:
        parts.append(f"indices={np.asarray(indices).tolist()!r}")
    return ", ".join(parts)


def _plain(value: Any) -> Any:
    """A number or text as Python has it, whatever a file made of it."""
    return value.item() if isinstance(value, np.generic) else value
