"""One variant on some inner splits; every result is kept as soon as it exists."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from cell_types.measure import PACKAGES, append, scores, source_digest

from ablations.inner import inner_split
from ablations.model import likeliest
from ablations.variants import variants
from tgem.nn.swapped_attention import MEAN, OWN

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pandas as pd

    from ablations.inner import Inner
    from ablations.variants import Variant

METRICS = ("accuracy", "macro_f1", "log_likelihood", "cell_specific")


def measure(data: str, name: str, splits: Iterable[int], folder: Path) -> None:
    """Fit, predict and score, split by split; append a line to the data set's file each time."""
    variant = variants()[name]
    for number in splits:
        record = {"data": data, "variant": name, "split": number}
        record |= measured(inner_split(data, number), variant, number)
        append(folder / f"{data}.jsonl", record)
        mean = record["ladder"].get(MEAN, {}).get("accuracy", float("nan"))
        print(
            f"{time.strftime('%H:%M:%S')}  {data:<10} {name:<20} split {number:>2}  "
            f"accuracy {record['accuracy']:.3f}  mean maps {mean:.3f}  "
            f"macro-F1 {record['macro_f1']:.3f}  {record['train_process_s']:.1f} s",
            flush=True,
        )


def measured(inner: Inner, variant: Variant, seed: int) -> dict[str, Any]:
    """Scores of a variant on the cells held out."""
    start, cpu = time.perf_counter(), time.process_time()
    predict = variant.fit(inner.train, variant, seed)
    seconds, process_seconds = time.perf_counter() - start, time.process_time() - cpu
    prediction = predict(inner.held)
    ladder = {
        rung: rung_scores(inner.held.labels, table)
        for rung, table in prediction.log_probability.items()
    }
    found = scores(inner.held.labels, prediction.labels)
    found["log_likelihood"] = ladder[OWN]["log_likelihood"] if ladder else None
    found["cell_specific"] = (
        ladder[OWN]["accuracy"] - ladder[MEAN]["accuracy"] if MEAN in ladder else None
    )
    return {
        "settings_key": variant.key(),
        "split_checksum": inner.checksum(),
        **found,
        "ladder": ladder,
        "train_s": seconds,
        "train_process_s": process_seconds,
        "n_train": len(inner.train.labels),
        "n_held": len(inner.held.labels),
        "n_genes": len(inner.train.genes),
        "chosen": prediction.chosen,
        "source": source_digest(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "versions": {name: version(name) for name in PACKAGES},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def rung_scores(true: np.ndarray[Any, Any], log_probability: pd.DataFrame) -> dict[str, float]:
    """Accuracy and mean log-likelihood of the true labels."""
    columns = log_probability.columns.get_indexer(true)
    chosen = log_probability.to_numpy()[np.arange(len(true)), columns]
    return {
        "accuracy": float((likeliest(log_probability) == true).mean()),
        "log_likelihood": float(chosen.mean()),
    }
