"""Whether a model of isoforms predicts each gene's samples that it was not trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tgem._core.errors import RegulationWarning, warn
from tgem._core.networks import reliability_text
from tgem._core.validate import cell_indices

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from mudata import MuData

    from tgem.model import DeepSF

NOT_ASSESSED = "not assessed"
_SMALL_SHARE = 0.5  # of the edges; with fewer reliable ones the network as a whole is doubted


class HeldOutSkill(NamedTuple):
    """Scores of held-out samples.

    Attributes
    ----------
    by_gene
        Table of :meth:`tgem.model.DeepSF.evaluate`, one row per gene; ``None`` where there are no
        held-out samples.
    r_squared
        Of all genes together.
    assessed_on
        ``"test"`` or ``"validation"`` samples of the training data, ``"given"`` ones, or
        ``"not assessed"``.
    n_samples
        Number of held-out samples.
    """

    by_gene: pd.DataFrame | None
    r_squared: float
    assessed_on: str
    n_samples: int

    def of_genes(self, genes: pd.Series[Any]) -> np.ndarray[Any, Any]:
        """R squared of each gene; missing where not assessed."""
        if self.by_gene is None:
            return np.full(len(genes), np.nan)
        known = self.by_gene["usage_r2"]
        values: np.ndarray[Any, Any] = genes.map(known).to_numpy(dtype=float)
        return values

    @property
    def reliable_genes(self) -> set[str]:
        """Genes whose usage is predicted better than by its mean in training.

        None where that does not hold over all genes: some lie above 0 by chance.
        """
        if self.by_gene is None or not self.r_squared > 0:
            return set()
        return set(self.by_gene.index[self.by_gene["usage_r2"] > 0])


def held_out_skill(
    mdata: MuData, model: DeepSF, held_out: Sequence[int] | np.ndarray[Any, Any] | None
) -> HeldOutSkill:
    """Score the samples given, or those that the model was not trained on.

    Parameters
    ----------
    mdata
        Genes and isoforms.
    model
        A trained model.
    held_out
        Positions in `mdata` of samples that the model has not seen, or a mask.
    """
    if held_out is not None:
        cells = cell_indices(held_out, mdata.n_obs)
        if not len(cells):
            msg = "Expected at least one sample in `held_out`, found none."
            raise ValueError(msg)
        _refuse_training_samples(mdata, model, cells)
        return _scored(model, mdata, cells, "given")
    for name in ("test", "validation"):
        cells = getattr(model, f"{name}_indices")
        if model.adata is not None and cells is not None and len(cells):
            return _scored(model, None, np.asarray(cells), name)
    return HeldOutSkill(None, float("nan"), NOT_ASSESSED, 0)


def _refuse_training_samples(mdata: MuData, model: DeepSF, cells: np.ndarray[Any, Any]) -> None:
    if model.adata is None or model.train_indices is None:
        return
    names = model.adata.obs_names[np.asarray(model.train_indices)]
    seen = int(mdata.obs_names[cells].isin(names).sum())
    if seen:
        msg = (
            f"Expected samples in `held_out` that the model was not trained on, but {seen} of "
            f"{len(cells)} have the names of training samples. `model.test_indices` and "
            "`model.validation_indices` hold others."
        )
        raise ValueError(msg)


def _scored(
    model: DeepSF, mdata: MuData | None, cells: np.ndarray[Any, Any], assessed_on: str
) -> HeldOutSkill:
    by_gene = model.evaluate(mdata, cells, per="gene")
    whole = model.evaluate(mdata, cells)
    return HeldOutSkill(by_gene, float(whole["usage_r2"]), assessed_on, len(cells))


def marked(network: pd.DataFrame, skill: HeldOutSkill) -> pd.DataFrame:
    """The network with ``r_squared`` and ``reliable``: never true where nothing was assessed."""
    reliable = network["gene"].isin(skill.reliable_genes)
    return network.assign(r_squared=skill.of_genes(network["gene"]), reliable=reliable)


def reliability_params(network: pd.DataFrame, skill: HeldOutSkill) -> dict[str, Any]:
    """What is recorded beside the network."""
    params: dict[str, Any] = {
        "assessed_on": skill.assessed_on,
        "n_held_out": skill.n_samples,
        "n_edges": len(network),
        "n_reliable_edges": int(network["reliable"].sum()),
    }
    if skill.by_gene is not None:
        params |= {
            "r_squared": skill.r_squared,
            "n_genes": int(skill.by_gene["usage_r2"].notna().sum()),
            "n_reliable_genes": len(skill.reliable_genes),
        }
    return params


def warn_of_unreliable(params: dict[str, Any]) -> None:
    """Say how many edges are of genes that the model does not predict, if they are most."""
    if params["assessed_on"] == NOT_ASSESSED:
        msg = (
            f"{reliability_text(params)}. Train with samples left out, such as "
            "`model.train(split_key=...)`, or name samples that the model has not seen as "
            "`held_out`."
        )
        warn(msg, RegulationWarning)
        return
    if params["n_reliable_edges"] < _SMALL_SHARE * params["n_edges"] or not params["n_edges"]:
        msg = (
            f"{reliability_text(params)}. The column 'reliable' says which; "
            "`tgem.tl.regulation(..., reliable_only=True)` leaves the others out."
        )
        warn(msg, RegulationWarning)
