"""One method on some splits of one data set; every result is kept as soon as it exists."""

from __future__ import annotations

import hashlib
import json
import os
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memory import largest_resident_size
from sklearn import metrics

from cell_types.data import DATA, Cells, select_genes
from cell_types.methods import Method, methods
from cell_types.splits import make_split

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "mcc")
PACKAGES = ("tgem", "torch", "scikit-learn", "scvi-tools", "numpy")
SOURCE = Path(__file__).parents[2] / "src" / "tgem"
SOURCE_FOLDERS = ("nn", "train", "model/_base", "model/tgem")


def measure(data: str, method: str, splits: Iterable[int], folder: Path) -> None:
    """Fit, predict and score, split by split; append a line to the data set's file each time."""
    cells, chosen = DATA[data].read(), methods()[method]
    checksum = DATA[data].checksum(cells)
    for number in splits:
        record = {"data": data, "method": method, "split": number, "data_checksum": checksum}
        record |= measured(cells, chosen, number, n_selected=DATA[data].n_selected)
        append(folder / f"{data}.jsonl", record)
        clock = time.strftime("%H:%M:%S")
        scores = "  ".join(f"{name} {record[name]:.3f}" for name in ("accuracy", "macro_f1"))
        print(
            f"{clock}  {data:<10} {method:<22} split {number:>2}  {scores}  "
            f"fit {record['fit_s']:.1f} s  {record['peak_bytes'] / 1e9:.2f} GB",
            flush=True,
        )


def measured(
    cells: Cells, method: Method, number: int, *, n_selected: int | None = None
) -> dict[str, Any]:
    """Result of one split, whose number is also the seed of the method."""
    split = make_split(cells.labels, cells.groups, number)
    train, test = cells[split.train], cells[split.test]
    if n_selected is not None:
        genes = select_genes(train, n_selected)
        train, test = train.of_genes(genes), test.of_genes(genes)
    largest_resident_size(reset=True)
    start, cpu = time.perf_counter(), time.process_time()
    fitted = method.fit(train, number)
    after_fit, cpu_after_fit = time.perf_counter(), time.process_time()
    predicted = fitted.predict(test)
    end = time.perf_counter()
    return {
        "settings_key": method.key(),
        "split_checksum": split.checksum(),
        **scores(test.labels, predicted),
        "fit_s": after_fit - start,
        "fit_process_s": cpu_after_fit - cpu,
        "predict_s": end - after_fit,
        "peak_bytes": largest_resident_size(),
        **fitted.measured,
        "n_train": len(split.train),
        "n_test": len(split.test),
        "n_genes": train.expression.shape[1],
        "chosen": fitted.chosen,
        "source": source_digest() if method.function == "tgem_model" else None,
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "versions": {name: version(name) for name in PACKAGES},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def scores(true: np.ndarray[Any, Any], predicted: np.ndarray[Any, Any]) -> dict[str, float]:
    """Scores over the classes that occur among the true (or, for F1, predicted) labels."""
    recall = metrics.recall_score(
        true, predicted, labels=sorted(set(true)), average="macro", zero_division=0
    )
    return {
        "accuracy": float(metrics.accuracy_score(true, predicted)),
        "balanced_accuracy": float(recall),
        "macro_f1": float(metrics.f1_score(true, predicted, average="macro", zero_division=0)),
        "mcc": float(metrics.matthews_corrcoef(true, predicted)),
    }


def source_digest() -> str:
    """Digest of the code that our networks are made of, to notice results of different code."""
    digest = hashlib.sha256()
    for name in SOURCE_FOLDERS:
        for path in sorted((SOURCE / name).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def append(path: Path, record: dict[str, Any]) -> None:
    """Add a line, after ending what a run that was killed may have left of another."""
    before = path.read_bytes() if path.exists() else b""
    cut_off = bool(before) and not before.endswith(b"\n")
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" * cut_off + json.dumps(record) + "\n")


def read_records(path: Path) -> list[dict[str, Any]]:
    """All whole lines of a file; a run that was killed may have left half a one."""
    records = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return records
