"""Tables of the benchmarks, each written from its results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark_tables import (
    ablation,
    attention,
    attribution,
    bin_signal,
    calibration,
    cell_typing,
    deeplift,
    epiattention,
    epigenome,
    evidence,
    hubs,
    ladder,
    networks,
    splicing,
    transfer,
)

if TYPE_CHECKING:
    from collections.abc import Callable

#: by the name of the page that holds the table
TABLES: dict[str, Callable[[], str]] = {
    "attention": attention.write,
    "attribution": attribution.write,
    "networks": networks.write,
    "hubs": hubs.write,
    "deeplift": deeplift.write,
    "epiattention": epiattention.write,
    "bin_signal": bin_signal.write,
    "splicing": splicing.write,
    "evidence": evidence.write,
    "typing": cell_typing.write,
    "ablation": ablation.write,
    "ladder": ladder.write,
    "calibration": calibration.write,
    "transfer": transfer.write,
    "epigenome": epigenome.write,
}
