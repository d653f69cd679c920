"""The network in an AnnData or MuData, whichever model's it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tgem._core import keys
from tgem._core.errors import listed

if TYPE_CHECKING:
    import pandas as pd

#: The tool that writes each network: all of them have one key pattern, and a prefix of their own.
WRITERS = {
    slot.prefix: f"{slot.written_by}(data, model)"
    for slot in keys.SLOTS
    if slot.pattern == keys.NETWORK.pattern
}
#: A share of the decision below which attention decides next to nothing.
SMALL_SHARE = 0.01
_RELIABILITY = (
    "assessed_on",
    "n_held_out",
    "n_edges",
    "n_reliable_edges",
    "n_genes",
    "n_reliable_genes",
    "r_squared",
)


def network_prefix(data: Any, prefix: str | None) -> str:
    """Return the prefix asked for, or that of the only network there is."""
    return _only_prefix(data, keys.REGULATION_NETWORK, prefix)


def hubs_prefix(data: Any, prefix: str | None) -> str:
    """Return the prefix asked for, or that of the only hubs there are."""
    return _only_prefix(data, keys.HUBS, prefix)


def enrichment_prefix(data: Any, prefix: str | None) -> str:
    """Return the prefix asked for, or that of the only enriched gene sets there are."""
    return _only_prefix(data, keys.ENRICHMENT, prefix)


def _only_prefix(data: Any, slot: keys.Slot, prefix: str | None) -> str:
    if prefix is not None:
        return prefix
    found = [name for name in WRITERS if slot.key(name) in data.uns]
    if len(found) > 1:
        msg = (
            f"Expected one result, found {listed([slot.key(name) for name in found])} in "
            f"`.uns`. Choose one with `key_added`, such as key_added={found[0]!r}."
        )
        raise ValueError(msg)
    return found[0] if found else keys.PREFIX


def network_key(prefix: str) -> str:
    """Key in ``.uns`` of the network."""
    return keys.REGULATION_NETWORK.key(prefix)


def read_network(data: Any, prefix: str) -> pd.DataFrame:
    """Return the network's table, or say which call writes it."""
    key = network_key(prefix)
    if key not in data.uns:
        calls = " or ".join(f"`{call}`" for call in WRITERS.values())
        msg = f"Expected .uns[{key!r}] but it is not there. Write it with {calls} first."
        raise KeyError(msg)
    table: pd.DataFrame = data.uns[key]
    return table


def network_params(data: Any, prefix: str) -> dict[str, Any]:
    """How the network was made; empty where nothing is recorded."""
    return dict(data.uns.get(keys.REGULATION_NETWORK.params_key(prefix), {}))


def is_idle(params: dict[str, Any]) -> bool:
    """Whether the cells' own attention is not told from one that decides nothing."""
    if "share_mean_low" not in params:
        return False
    low, high = float(params["share_mean_low"]), float(params["share_mean_high"])
    # Below 0 where the whole expression lowers the logit of a cell that expresses nothing.
    return low <= 0 <= high or max(abs(low), abs(high)) < SMALL_SHARE


def share_text(params: dict[str, Any]) -> str:
    """How much of the decision the cells' own attention carries; empty where not recorded."""
    if "share_mean" not in params:
        return ""
    text = f"cell-specific share of attention: {float(params['share_mean']):.2g}"
    if {"share_mean_low", "share_mean_high"} <= set(params):
        low, high = float(params["share_mean_low"]), float(params["share_mean_high"])
        text += f" ({low:.2g} to {high:.2g})"
        if low <= 0 <= high:
            text += ", not told from 0: do not read this network as what decides"
        elif is_idle(params):
            text += ", next to nothing: do not read this network as what decides"
    return text


def reliability_text(params: dict[str, Any]) -> str:
    """How many edges are of genes that the model predicts; empty where not recorded."""
    if "assessed_on" not in params:
        return ""
    if not int(params["n_held_out"]):
        return (
            "reliability not assessed: the model has no held-out samples, so that no edge is "
            "marked as reliable"
        )
    r_squared = float(params["r_squared"])
    samples = f"{int(params['n_held_out'])} held-out samples"
    if not r_squared > 0:
        return (
            f"no edge is reliable: on {samples} the model predicts isoform usage no better than "
            f"its mean in training does (R² of all genes {r_squared:.2g})"
        )
    return (
        f"{int(params['n_reliable_edges']):,} of {int(params['n_edges']):,} edges are of genes "
        f"whose isoform usage the model predicts on {samples} better than its mean in training "
        f"does ({int(params['n_reliable_genes']):,} of {int(params['n_genes']):,} genes; R² of all "
        f"{r_squared:.2g})"
    )


def brief_reliability(params: dict[str, Any], counted: str = "edges") -> str:
    """The same in a few words, of edges or what else was counted."""
    if "assessed_on" not in params:
        return ""
    if not int(params["n_held_out"]):
        return "reliability not assessed"
    return (
        f"{int(params['n_reliable_edges']):,} of {int(params['n_edges']):,} {counted} reliable "
        "on held-out samples"
    )


def reliability_of(params: dict[str, Any]) -> dict[str, Any]:
    """What is recorded of a network's reliability."""
    return {name: params[name] for name in _RELIABILITY if name in params}


def caption_of(params: dict[str, Any]) -> str:
    """What a reader of the network has to know of it."""
    return "; ".join(filter(None, (share_text(params), reliability_text(params))))
