"""CellTypist, in an environment of its own: it needs an older scikit-learn.

This file is both sides: :func:`celltypist` here, and what runs there, as a script.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from cell_types.data import Cells
    from cell_types.fitted import Fitted

FOLDER = Path(__file__).parents[1]
PYTHON = FOLDER / ".environments" / "celltypist" / "bin" / "python"
INSTALL = (
    "python -m venv benchmarks/.environments/celltypist && "
    "benchmarks/.environments/celltypist/bin/pip install -r benchmarks/celltypist.txt"
)


def celltypist(training: Cells, settings: dict[str, Any], seed: int) -> Fitted:
    """Training happens with the prediction, in the other process, which measures both."""
    from cell_types.fitted import Fitted  # noqa: PLC0415

    measured: dict[str, float] = {}

    def predict(cells: Cells) -> np.ndarray[Any, Any]:
        return labels_and_confidence(training, cells, settings | {"seed": seed}, measured)[0]

    return Fitted(predict, measured=measured)


def labels_and_confidence(
    training: Cells, cells: Cells, settings: dict[str, Any], measured: dict[str, float]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Train and predict in the other process; times and memory go into `measured`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part, each in (("train", training), ("test", cells)):
            sparse.save_npz(folder / f"{part}.npz", sparse.csr_matrix(each.expression))
        np.save(folder / "genes.npy", training.genes)
        np.save(folder / "labels.npy", training.labels)
        (folder / "settings.json").write_text(json.dumps(settings))
        command = [str(PYTHON), "-W", "ignore", __file__, name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        measured.update(json.loads((folder / "measured.json").read_text()))
        return np.load(folder / "predicted.npy"), np.load(folder / "confidence.npy")


def confidence(training: Cells, cells: Cells, seed: int) -> np.ndarray[Any, Any]:
    """CellTypist's confidence in the label of each cell, by a model trained here."""
    measured: dict[str, float] = {}
    return labels_and_confidence(training, cells, {"seed": seed}, measured)[1]


def run_there(folder: Path) -> None:
    """Train, predict, and write labels, confidence, times and memory."""
    import celltypist as package  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415
    from anndata import AnnData  # noqa: PLC0415

    sys.path.append(str(FOLDER))
    from memory import largest_resident_size  # noqa: PLC0415

    package.logger.set_level("WARNING")
    genes = pd.DataFrame(index=np.load(folder / "genes.npy"))
    train, test = (
        AnnData(sparse.load_npz(folder / f"{part}.npz"), var=genes) for part in ("train", "test")
    )
    settings = json.loads((folder / "settings.json").read_text())
    seed = settings.pop("seed")
    largest_resident_size(reset=True)
    start, cpu = time.perf_counter(), time.process_time()
    model = package.train(
        train,
        labels=np.load(folder / "labels.npy"),
        check_expression=False,  # which wants all genes of the cells
        random_state=seed,
        **settings,
    )
    fitted, fitted_cpu = time.perf_counter(), time.process_time()
    annotated = package.annotate(test, model)
    labels = annotated.predicted_labels["predicted_labels"]
    end = time.perf_counter()
    np.save(folder / "confidence.npy", annotated.probability_matrix.max(axis=1).to_numpy())
    np.save(folder / "predicted.npy", labels.to_numpy().astype(str))
    measured = {
        "fit_s": fitted - start,
        "fit_process_s": fitted_cpu - cpu,
        "predict_s": end - fitted,
        "peak_bytes": largest_resident_size(),
    }
    (folder / "measured.json").write_text(json.dumps(measured))


if __name__ == "__main__":
    sys.path.pop(0)  # this folder, in which this file is called as the package is
    run_there(Path(sys.argv[1]))
