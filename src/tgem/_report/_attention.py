"""How much of the decision the cells' own attention carries: what a network is worth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tgem._core import keys
from tgem._core.networks import SMALL_SHARE, network_params
from tgem._report._figures import figure
from tgem._report._html import Section, missing, notice, number, paragraph, table
from tgem._report._slots import is_filled
from tgem.pl import attention_entropy as plot_attention_entropy
from tgem.pl import attention_necessity as plot_attention_necessity

if TYPE_CHECKING:
    from anndata import AnnData

_MEASURES = {
    "cell_specific_log_likelihood": "log-likelihood per cell (nats)",
    "cell_specific_accuracy": "accuracy",
}
_DECISION = "share of the decision"
_NOT_READ = "Networks and hubs of this model should not be read as regulation."


@dataclass(frozen=True)
class Share:
    """A measure of what the cells' own attention adds, with its interval."""

    measure: str
    value: float
    lower: float
    upper: float

    @property
    def is_above_zero(self) -> bool:
        """Whether the whole interval lies above 0; never without an interval."""
        return self.lower > 0

    @property
    def is_next_to_nothing(self) -> bool:
        """Whether it is above 0 but too small a part of the decision to matter."""
        return self.is_above_zero and self.measure == _DECISION and self.upper < SMALL_SHARE

    def __str__(self) -> str:
        """Value and interval."""
        if math.isnan(self.lower) or math.isnan(self.upper):
            return f"{self.measure} {number(self.value)} (without an interval)"
        interval = f"[{number(self.lower)}, {number(self.upper)}]"
        return f"{self.measure} {number(self.value)} {interval}"


def shares(adata: AnnData, prefix: str) -> list[Share]:
    """Every measure of the cell-specific share that the tools recorded."""
    found = []
    params = adata.uns.get(keys.ATTENTION_NECESSITY.params_key(prefix), {})
    for name, measure in _MEASURES.items():
        if name in params:
            found.append(Share(measure, *(float(each) for each in params[name])))
    params = network_params(adata, prefix)
    if "share_mean" in params:
        limits = (float(params.get(name, np.nan)) for name in ("share_mean_low", "share_mean_high"))
        found.append(Share(_DECISION, float(params["share_mean"]), *limits))
    return found


def verdict(found: list[Share], *, brief: bool = False) -> str:
    """Say in a sentence whether a network of this model may be read; `brief` leaves reasons out.

    Only the finer measures count: a model may use attention without changing any label.
    """
    if not found:
        reason = (
            "How much of the decision the attention carries was not measured; "
            "tgem.tl.attention_necessity(adata, model) does."
        )
        text = "Do not read a network of this model as regulation yet."
        return notice(text, kind="warning", because="" if brief else reason)
    numbers = "; ".join(map(str, found))
    measured = f"Cell-specific share of attention, own maps minus the mean map: {numbers}."
    decisive = [each for each in found if each.measure != "accuracy"] or found
    unclear = [each for each in decisive if not each.is_above_zero or each.is_next_to_nothing]
    if not unclear:
        text = "The cells' own attention takes part in the decision."
        if any(each.measure == "accuracy" and not each.is_above_zero for each in found):
            measured = "It changes how sure the model is; in accuracy nothing shows. " + measured
        return notice(text, kind="note", because="" if brief else measured)
    if brief:
        return notice(_NOT_READ, kind="warning")
    reasons = " ".join(map(_doubt, unclear))
    return notice(_NOT_READ, kind="warning", because=f"{reasons} {measured}")


def _doubt(share: Share) -> str:
    """Why a measure does not show that attention takes part."""
    if math.isnan(share.lower):
        return f"Nothing tells the {share.measure} from 0: it has no interval."
    if share.is_next_to_nothing:
        return f"The {share.measure} is above 0, but next to nothing."
    if share.upper < 0:
        return (
            f"The interval of the {share.measure} lies below 0: one fixed attention map for all "
            "cells serves the model better than each cell's own."
        )
    return (
        f"The interval of the {share.measure} includes 0: one fixed attention map for all cells "
        "may serve the model as well as each cell's own."
    )


def necessity(adata: AnnData, prefix: str) -> Section:
    """Ladder from the cells' own maps to none."""
    title = "Does attention matter?"
    if not is_filled(adata, keys.ATTENTION_NECESSITY, prefix):
        return missing("attention", title, "`tgem.tl.attention_necessity(adata, model)`")
    body = verdict(shares(adata, prefix))
    body += figure(
        plot_attention_necessity, adata, key_added=prefix, show=False, label="Attention ladder"
    )
    body += paragraph(
        "The same model on the same cells with other attention maps: the mean map of the training "
        "cells, another cell's, the cell's own with genes shuffled, and one that looks at all "
        "genes alike. Only own minus mean speaks of the single cell; every model loses accuracy on "
        "shuffled or uniform maps if its classifier was trained on others."
    )
    return Section("attention", title, body)


def entropy(adata: AnnData, prefix: str) -> Section:
    """How broad the attention of each layer and head is."""
    title = "Attention entropy"
    if not is_filled(adata, keys.ATTENTION_ENTROPY, prefix):
        return missing("entropy", title, "`tgem.tl.attention(adata, model)`")
    values = pd.DataFrame(keys.ATTENTION_ENTROPY.read(adata, prefix))
    quartiles = values.quantile([0.25, 0.5, 0.75]).T
    quartiles.columns = pd.Index(["lower quartile", "median", "upper quartile"])
    shown = quartiles.rename_axis("layer and head").reset_index()
    shown["layer and head"] = shown["layer and head"].astype(str)
    body = figure(
        plot_attention_entropy, adata, key_added=prefix, show=False, label="Attention entropy"
    )
    body += paragraph(
        "1 is attention to all genes alike, 0 attention to a single one. Genes that a cell does "
        "not express look at all alike by construction and are left out."
    )
    return Section("entropy", title, body + table(shown, label="Entropy over the cells"))
