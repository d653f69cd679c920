"""Results that were computed from another slot go when that slot is written anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tgem._core import keys

if TYPE_CHECKING:
    import pandas as pd

#: In the parameters of a result that may come from one of several slots: the key of that slot.
READ_FROM = "read_from"


def remove_derived(data: Any, slot: keys.Slot, prefix: str | None) -> None:
    """Remove what was computed from a slot, and what was computed from that in turn.

    Without an entry in its parameters, a result counts as read from the first slot that it may
    come from.
    """
    used = prefix or slot.prefix
    for result in keys.SLOTS:
        if slot.pattern not in result.derived_from:
            continue
        first = result.derived_from[0].format(prefix=used)
        params = data.uns.get(result.params_key(used), {})
        if params.get(READ_FROM, first) == slot.key(used):
            remove_derived(data, result, used)
            result.remove(data, used)
            data.uns.pop(result.params_key(used), None)


def write_network(data: Any, slot: keys.Slot, network: pd.DataFrame, prefix: str | None) -> None:
    """Write a network, and remove hubs, communities and the like of a former one.

    Where it is the network that is there already, what was computed from it stays: trainings
    that took hours may be in it.
    """
    former = data.uns.get(slot.key(prefix))
    # Two models whose attention is set aside both have a network without edges.
    if former is None or not len(network) or not _is_same(former, network):
        remove_derived(data, slot, prefix)
    slot.write(data, network, prefix)


def _is_same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether two tables hold the same, also where a file made categories of names."""
    plain = [table.astype(object).reset_index(drop=True) for table in (one, other)]
    return bool(plain[0].equals(plain[1]))
