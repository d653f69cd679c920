"""Every method that takes part, with all its settings in one place."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cell_types.celltypist import INSTALL, PYTHON

if TYPE_CHECKING:
    from cell_types.data import Cells
    from cell_types.fitted import Fitted

OURS = "tgem"


@dataclass(frozen=True)
class Method:
    """One method.

    Attributes
    ----------
    title
        For figures and tables.
    module, function
        Where its fit is: imported when it is needed, so that no method's memory holds the others.
    settings
        Everything that decides its result.
    slow
        Whether `--splits-slow` limits it.
    most_genes
        Not run on data of more genes.
    needs_counts
        Not run where there are no raw counts, nor values normalised from them.
    """

    title: str
    module: str
    function: str
    settings: dict[str, Any] = field(default_factory=dict)
    slow: bool = False
    most_genes: int | None = None
    needs_counts: bool = False

    def fit(self, training: Cells, seed: int) -> Fitted:
        function = getattr(import_module(f"cell_types.{self.module}"), self.function)
        return function(training, self.settings, seed)

    def key(self) -> str:
        """Digest of what decides a result; of a preset, also what the name stands for today."""
        content: dict[str, Any] = {"function": self.function, **self.settings}
        if "preset" in self.settings:
            content |= preset_content(self.settings["preset"])
        text = json.dumps(content, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def unavailable(self, *, n_genes: int, has_counts: bool) -> str | None:
        """Say why the method does not run on such data here, if it does not."""
        if self.needs_counts and not has_counts:
            return "takes counts, or log1p of 10,000 counts per cell; the source gives neither"
        if self.most_genes is not None and n_genes > self.most_genes:
            return f"takes too long on more than {self.most_genes:,} genes"
        if self.module == "celltypist" and not PYTHON.exists():
            return f"needs an environment that is not installed here ({INSTALL})"
        return None


def preset_content(name: str | None) -> dict[str, Any]:
    """Network and training of a preset; of the one that ``TGEM(adata)`` takes if it has no name."""
    from inspect import signature  # noqa: PLC0415

    from tgem.model import TGEM  # noqa: PLC0415
    from tgem.model.tgem._presets import PRESETS  # noqa: PLC0415

    name = name or signature(TGEM).parameters["preset"].default
    return {"network": PRESETS[name].module, "training": PRESETS[name].training}


def methods() -> dict[str, Method]:
    """All methods by name, in the order of figures and tables; ours last."""
    penalties = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 1.0]
    tuned = {"folds": 5, "folds_of_many_genes": 3, "many_genes": 5000}
    paper = {"preset": "paper", "validation_share": 0.0}
    return {
        "logistic_regression": Method(
            "Logistic regression",
            "classical",
            "logistic_regression",
            {"grid": penalties, "max_iter": 300, "tolerance": 1e-3, **tuned},
        ),
        "linear_svm": Method(
            "Linear support vector machine",
            "classical",
            "linear_svm",
            {"grid": [1e-5, 1e-4, 3e-4, 1e-3, 1e-2], "max_iter": 1000, **(tuned | {"folds": 3})},
        ),
        "random_forest": Method("Random forest", "classical", "random_forest", {"n_trees": 500}),
        "boosting": Method(
            "Gradient boosting (histograms)",
            "classical",
            "boosting",
            {"max_iter": 100, "learning_rate": 0.1, "genes_per_split": 100},
            slow=True,
        ),
        "mlp": Method(
            "Multilayer perceptron",
            "classical",
            "mlp",
            {
                "hidden": [128],
                "grid": [0.1, 1.0, 10.0, 30.0],
                "max_iter": 60,
                "learning_rate": 1e-3,
                "batch_size": 64,
                **(tuned | {"folds": 3}),
            },
            slow=True,
        ),
        "convolutional_network": Method(
            "1-D convolutional network",
            "convolution",
            "convolutional_network",
            {
                "channels": [16, 32],
                "width": 9,
                "stride": 2,
                "dropout": 0.5,
                "learning_rate": 1e-3,
                "weight_decay": 1e-2,
                "batch_size": 64,
                "max_epochs": 60,
                "patience": 8,
                "validation_share": 0.1,
            },
            slow=True,
        ),
        "celltypist": Method(
            "CellTypist (trained here)", "celltypist", "celltypist", needs_counts=True
        ),
        "scanvi": Method(
            "scANVI",
            "scanvi",
            "scanvi",
            {
                "n_layers": 2,
                "n_latent": 30,
                "likelihood": "nb",
                "max_epochs": 200,
                "max_epochs_with_labels": 20,
                "cells_per_class": 100,
            },
            slow=True,
            most_genes=5000,
            needs_counts=True,
        ),
        "tgem_paper_50": Method(
            "T-GEM as published, 50 epochs",
            "transformers",
            "tgem_model",
            paper | {"max_epochs": 50},
            slow=True,
            most_genes=5000,
        ),
        "tgem_paper_150": Method(
            "T-GEM as published, 150 epochs",
            "transformers",
            "tgem_model",
            paper | {"max_epochs": 150},
            slow=True,
            most_genes=5000,
        ),
        OURS: Method(
            "tgem (default)",
            "transformers",
            "tgem_model",
            {"preset": None, "max_epochs": None, "validation_share": 0.0},
        ),
    }
