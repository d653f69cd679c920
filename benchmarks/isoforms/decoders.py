"""Decoders trained on some samples and scored on others; settings chosen inside the training."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import mudata
import numpy as np

from tgem.model import DeepSF

if TYPE_CHECKING:
    from mudata import MuData

    from tgem.model.deepsf import GeneContext

QUIET = {"enable_progress_bar": False}
GENES_APART = 4  # settings are chosen on every fourth gene
METRICS = ("mse", "mse_mean_usage", "pearson", "usage_r2")


@dataclass(frozen=True)
class Setting:
    """How one model is made and trained."""

    name: str
    model: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)


# The published epochs are those of thousands of samples: twenty samples are one batch, so 3,000
# epochs at a rate of 1e-4 are here 300 steps at 1e-3, or faster.
RATES = tuple(
    Setting(
        f"rate {rate:g}",
        {},
        {"max_epochs": 300, "plan_kwargs": {"optimizer": "adamw", "lr": rate}},
    )
    for rate in (1e-3, 3e-3, 1e-2)
)
SETTINGS: dict[str, tuple[Setting, ...]] = {
    "usage": tuple(Setting(f"penalty {value:g}", {"penalty": value}) for value in (1, 3, 10)),
    "additive": RATES,
    "sigmoid": RATES,
}
DEFAULT = Setting("default")


def lines_of(mdata: MuData) -> np.ndarray[Any, Any]:
    return mdata["gene"].obs["line"].astype(str).to_numpy()


def without(mdata: MuData, line: str) -> MuData:
    """The samples of the other lines."""
    return mdata[lines_of(mdata) != line].copy()


def every_fourth_gene(mdata: MuData) -> MuData:
    """The isoforms of a quarter of the genes."""
    isoform = mdata["isoform"]
    genes = np.unique(isoform.var["gene_id"].astype(str))[::GENES_APART]
    chosen = isoform.var["gene_id"].isin(genes).to_numpy()
    return mudata.MuData({"gene": mdata["gene"], "isoform": isoform[:, chosen].copy()})


def trained(
    mdata: MuData,
    is_test: np.ndarray[Any, Any],
    setting: Setting,
    *,
    decoder: str,
    context: GeneContext | None = None,
    factor_key: str = "splicing_factor",
) -> tuple[DeepSF, float]:
    """A model of the samples that are not for testing, and the seconds of its training."""
    mdata.obs["part"] = np.where(is_test, "test", "train")
    DeepSF.setup_mudata(mdata, factor_key=factor_key)
    model = DeepSF(mdata, decoder=decoder, context=context, **setting.model)
    start = time.perf_counter()
    model.train(split_key="part", **setting.training, **QUIET)
    return model, time.perf_counter() - start


def scores(model: DeepSF, mdata: MuData | None = None) -> dict[str, float]:
    """Scores of the test samples, or of other data."""
    found = model.evaluate() if mdata is None else model.evaluate(mdata)
    return {name: float(found[name]) for name in METRICS}


def score(
    mdata: MuData,
    held: str,
    setting: Setting,
    *,
    decoder: str,
    context: GeneContext | None = None,
) -> dict[str, float]:
    """Train on all lines but one; error on that one."""
    model, seconds = trained(
        mdata, lines_of(mdata) == held, setting, decoder=decoder, context=context
    )
    return scores(model) | {"train_s": seconds}


def chosen_setting(
    mdata: MuData, held: str, settings: tuple[Setting, ...], *, decoder: str
) -> Setting:
    """The setting that predicts training lines best, each left out in turn; never the held one."""
    if len(settings) == 1:
        return settings[0]
    others = every_fourth_gene(without(mdata, held))
    inner = np.unique(lines_of(others))
    errors = [
        np.mean([score(others, line, each, decoder=decoder)["mse"] for line in inner])
        for each in settings
    ]
    return settings[int(np.argmin(errors))]
