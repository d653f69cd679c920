"""Regulators read from real samples, against bound RNAs that CLIP found in another tissue.

One command trains on macrophages of five donors, assesses the sixth, reads which RNA-binding
protein regulates which gene, and compares that with POSTAR3's peaks in embryonic kidney::

    python benchmarks/regulation_evidence.py [--line LINE] [--seeds 3]

The scores are those of the default decoder (`rms` and `max` of the effects on a gene's isoforms)
and of DeepRBP's decoder (`max`, as published for it), each trained from several seeds on the same
samples, once with the splicing factors and once with all RNA-binding proteins as factors. All are
compared within genes, within factors and among genes alike, beside the number of
isoforms, expression and correlation, by `tgem.tl.evaluate_regulation`. Only genes with any peak
are read. Peaks in kidney are weak evidence for macrophages, and no peak is no evidence of absence:
areas near 0.5 may be the fault of either side. What counts is whether a score is better than what
needs no model.

The data are read from `TGEM_SHARED_DATA` or `../shared/data`.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mudata
import numpy as np
import pandas as pd
from isoforms.cohorts import SHARED
from isoforms.decoders import QUIET, lines_of
from scipy import sparse
from shared import machine

import tgem
from tgem._core.errors import RegulationWarning
from tgem.model import DeepSF

if TYPE_CHECKING:
    from mudata import MuData

EVIDENCE = SHARED / "regulators" / "deeprbp_kidney_GxRBP.csv.gz"
DECODERS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "usage": ({}, ("rms", "max")),
    # the published epochs are those of thousands of samples; the rate is the one that `splicing.py`
    # chooses for each of these lines
    "sigmoid": ({"max_epochs": 300, "plan_kwargs": {"optimizer": "adamw", "lr": 1e-3}}, ("max",)),
}
FACTORS = ("splicing_factor", "rbp")
SLOT = "deepsf_regulation_evaluation"


def bound() -> pd.DataFrame:
    """Genes x RNA-binding proteins: 1 where a peak lies in the gene; genes with any peak."""
    table = pd.read_csv(EVIDENCE, index_col=0)
    return table[table.sum(axis=1) > 0]


def macrophages(genes: pd.Index) -> MuData:
    """Isoforms of the genes, and the genes and RNA-binding proteins that are read for them."""
    if hasattr(mudata, "set_options"):  # later versions do so by themselves
        mudata.set_options(pull_on_update=False)
    mdata = mudata.read_h5mu(SHARED / "isoform" / "macrophage.h5mu")
    gene, isoform = mdata["gene"], mdata["isoform"]
    chosen = isoform.var["gene_id"].isin(genes).to_numpy()
    read = gene.var_names.isin(genes) | gene.var["rbp"].to_numpy(bool)
    found = mudata.MuData({"gene": gene[:, read].copy(), "isoform": isoform[:, chosen].copy()})
    for table in found.mod.values():
        if sparse.issparse(table.X):
            table.X = table.X.toarray()
    return found


def simulated() -> tuple[MuData, pd.DataFrame]:
    """Simulated samples and their planted edges, to see that the benchmark runs."""
    mdata = tgem.datasets.synthetic_splicing(n_obs=36, n_factors=6, n_isoforms=150)
    mdata["gene"].obs["line"] = [f"line {i % 3}" for i in range(36)]
    mdata["gene"].var["rbp"] = mdata["gene"].var["splicing_factor"]
    truth = mdata.uns["synthetic_splicing_truth"]
    return mdata, pd.crosstab(truth["gene"], truth["source"]).clip(upper=1)


def trained(
    mdata: MuData, held: str, *, factors: str, decoder: str, seed: int, quick: bool
) -> DeepSF:
    """On all lines but one."""
    mdata.obs["part"] = np.where(lines_of(mdata) == held, "test", "train")
    DeepSF.setup_mudata(mdata, factor_key=factors)
    model = DeepSF(mdata, decoder=decoder)
    training = {"max_epochs": 2} if quick else DECODERS[decoder][0]
    model.train(split_key="part", seed=seed, **training, **QUIET)
    return model


def compared(
    mdata: MuData, evidence: pd.DataFrame, *, summary: str, options: dict[str, int]
) -> dict[str, Any]:
    """Evaluation of one score as plain data."""
    start = time.perf_counter()
    tgem.tl.evaluate_regulation(mdata, evidence, scores=summary, with_evidence=True, **options)
    table = mdata.uns[SLOT]
    params = mdata.uns[f"{SLOT}_params"]
    numbers = ("n_genes", "n_factors", "n_pairs", "n_positive", "n_own", "n_factors_not_scored")
    return {
        "reading": params["reading"],
        "verdict": params["verdict"],
        **{name: int(params[name]) for name in numbers},
        "seconds": time.perf_counter() - start,
        "table": json.loads(table.to_json(orient="records", double_precision=5)),
        "added": json.loads(mdata.uns[f"{SLOT}_added"].to_json(orient="records")),
    }


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Every set of factors."""
    if arguments.quick:
        mdata, evidence = simulated()
        options = {"n_permutations": 20, "n_bootstrap": 20}
    else:
        evidence = bound()
        mdata, options = macrophages(evidence.index), {}
    lines = np.unique(lines_of(mdata)).tolist()
    held = arguments.line or lines[0]
    found = {
        factors: of_factors(mdata, evidence, factors, held=held, options=options, given=arguments)
        for factors in FACTORS
    }
    return {"held_out": held, "factors": found}


def of_factors(
    mdata: MuData,
    evidence: pd.DataFrame,
    factors: str,
    *,
    held: str,
    options: dict[str, int],
    given: argparse.Namespace,
) -> dict[str, Any]:
    """Every decoder, seed and summary with one set of factors."""
    scores: dict[str, list[dict[str, Any]]] = {}
    for decoder in DECODERS:
        for seed in range(given.seeds):
            start = time.perf_counter()
            model = trained(
                mdata, held, factors=factors, decoder=decoder, seed=seed, quick=given.quick
            )
            seconds = time.perf_counter() - start
            skill = model.evaluate()
            tgem.tl.regulation(mdata, model)
            for summary in DECODERS[decoder][1]:
                row = compared(mdata, evidence, summary=summary, options=options)
                row |= {"seed": seed, "train_s": seconds, "usage_r2": skill["usage_r2"]}
                row |= {"mse": skill["mse"], "mse_mean_usage": skill["mse_mean_usage"]}
                scores.setdefault(f"{decoder}, {summary}", []).append(row)
                print(factors, decoder, seed, summary, row["verdict"], flush=True)
    return {
        "n_factors": len(model.factor_names),
        "n_isoforms": len(model.isoform_names),
        "scores": scores,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--line", help="donor to hold out; the first by default")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each decoder")
    parser.add_argument("--quick", action="store_true", help="simulated data, few steps")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    result = {"machine": machine("cpu"), **measure(arguments)}
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "regulation_evidence.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    # mudata announces changes of its own; the verdicts are printed and kept
    warnings.filterwarnings("ignore", category=FutureWarning, module="mudata")
    warnings.filterwarnings("ignore", category=RegulationWarning)
    main()
