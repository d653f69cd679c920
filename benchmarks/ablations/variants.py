"""Every variant of the study, with what it changes, and against which other one."""

from __future__ import annotations

import hashlib
import inspect
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cell_types.methods import methods, preset_content

from ablations import class_queries, published
from ablations.inner import CONTROL
from ablations.model import fit_linear_start, fit_logistic_regression, fit_network
from tgem.model.tgem._model import FEWEST_EPOCHS, MOST_EPOCHS

if TYPE_CHECKING:
    from collections.abc import Callable

    from cell_types.data import Cells

    from ablations.model import Predictor

REFERENCE, PAPER = "default", "paper"
LINEAR, PUBLISHED, CLASS_QUERIES = "linear", "published", "class_queries"
FAMILIES = {
    LINEAR: "Linear classifiers",
    PUBLISHED: "Published network",
    CLASS_QUERIES: "Class queries (default)",
}
EVERYWHERE = ("pbmc68k", CONTROL, "facs1000", "synthetic")
STARTS = ("pbmc68k", "facs1000", "tcga33", "synthetic")
SMALL = ("pbmc68k", CONTROL, "synthetic")
REAL = ("pbmc68k", "synthetic")


@dataclass(frozen=True)
class Variant:
    """One row of the study.

    Attributes
    ----------
    title
        What is changed.
    family
        One of :data:`FAMILIES`.
    base
        The variant that it is compared with.
    preset
        Preset of T-GEM that supplies what is not named here.
    network
        Network in place of the preset's.
    options
        Arguments of the network in place of the preset's; ``None`` leaves one out.
    training
        Arguments of :meth:`tgem.model.TGEM.train` in place of the preset's.
    n_members
        Networks, trained from different seeds, whose log-probabilities are averaged.
    data
        Where it takes part.
    fit
        Trains on cells, from a seed.
    """

    title: str
    family: str
    base: str
    preset: str = "default"
    network: type | None = None
    options: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    n_members: int = 1
    data: tuple[str, ...] = SMALL
    fit: Callable[[Cells, Variant, int], Predictor] = fit_network

    def key(self) -> str:
        """Digest of what decides a result, the code of a network of the study included."""
        content = {
            "fit": self.fit.__name__,
            "options": self.options,
            "training": self.training,
            "n_members": self.n_members,
        }
        if self.fit is fit_network:
            content["preset"] = preset_content(self.preset)
            content["epochs"] = [FEWEST_EPOCHS, MOST_EPOCHS]
        if self.network is not None:
            content["network"] = inspect.getsource(self.network)
        text = json.dumps(content, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def variants() -> dict[str, Variant]:
    """All variants by name, in the order of the tables."""
    return _linear() | _published() | _class_queries()


def _linear() -> dict[str, Variant]:
    settings = methods()["logistic_regression"].settings
    starts = (
        ("one", "standardised genes alone", {"exponents": (0.0,), "n_fits": 1}),
        ("two", "no genes favoured by a fit", {"n_fits": 1}),
        ("standardised", "standardised genes, alike and favoured", {"exponents": (0.0,)}),
        ("six", "genes favoured twice over, too", {"n_fits": 3}),
    )
    return {
        "logistic_regression": Variant(
            "logistic regression, penalty by accuracy",
            LINEAR,
            REFERENCE,
            options=settings,
            data=EVERYWHERE,
            fit=fit_logistic_regression,
        ),
        "linear_start": Variant(
            "the default's start: no contexts",
            LINEAR,
            REFERENCE,
            data=(*EVERYWHERE, "tcga33"),
            fit=fit_linear_start,
        ),
        **{
            f"start_{name}": Variant(
                f"start: {title}",
                LINEAR,
                "linear_start",
                options=options,
                data=STARTS,
                fit=fit_linear_start,
            )
            for name, title, options in starts
        },
    }


def _published() -> dict[str, Variant]:
    def changed(title: str, **settings: Any) -> Variant:
        return Variant(title, PUBLISHED, PAPER, preset="paper", data=REAL, **settings)

    def trained(title: str, **plan: Any) -> Variant:
        return changed(title, training={"plan_kwargs": plan})

    return {
        PAPER: Variant("as published, 50 epochs", PUBLISHED, REFERENCE, preset="paper", data=REAL),
        "paper_adamw": trained(
            "AdamW, rate 1e-3, weight decay 0.1, cosine",
            optimizer="adamw",
            lr=1e-3,
            weight_decay=0.1,
            schedule="cosine",
        ),
        "paper_sgd": trained(
            "gradient descent with momentum, rate 1e-2, cosine",
            optimizer="sgd",
            lr=1e-2,
            schedule="cosine",
        ),
        "paper_rate": trained("rate 1e-3", lr=1e-3),
        "paper_no_residual": changed(
            "no residual into the classifier", network=published.WithoutResidual
        ),
        "paper_norm_first": changed(
            "normalisation before dropout", network=published.NormBeforeDropout
        ),
        "paper_eps": changed(
            "eps of the normalisation 1e-3", network=published.LargerEps, options={"eps": 1e-3}
        ),
        "paper_head_weight": changed("W0 starts at 1 / heads", network=published.LargerHeadWeight),
        "paper_logits": changed(
            "queries and keys start 10 times larger",
            network=published.LargerLogits,
            options={"factor": 10.0},
        ),
        "paper_no_dropout": changed("no dropout", options={"dropout": 0.0}),
        "paper_one_layer": changed("one layer", options={"n_layers": 1}),
        "paper_two_layers": changed("two layers", options={"n_layers": 2}),
        "paper_standardized": changed("standardised input", network=published.StandardizedTGEM),
        "paper_balanced": changed("class-balanced loss", network=published.BalancedTGEM),
        "paper_gene_dropout": changed(
            "a fifth of the input genes dropped",
            network=published.GeneDropout,
            options={"share": 0.2},
        ),
    }


def _class_queries() -> dict[str, Variant]:
    def changed(title: str, **settings: Any) -> Variant:
        return Variant(title, CLASS_QUERIES, REFERENCE, **settings)

    heads = {f"heads_{n}": changed(f"{n} heads", options={"n_heads": n}) for n in (4, 8, 16, 32)}
    dropout = {
        f"dropout_{share:g}": changed(f"dropout {share:g}", options={"dropout": share})
        for share in (0.0, 0.2, 0.35, 0.5)
    }
    return {
        REFERENCE: changed("as it is", data=EVERYWHERE),
        "unweighed": changed(
            "contexts not weighed by cells held out",
            network=class_queries.Unweighed,
            data=EVERYWHERE,
        ),
        "descended_levels": changed(
            "levels by gradient descent, with the contexts",
            network=class_queries.DescendedLevels,
            data=EVERYWHERE,
        ),
        **{name: row for name, row in heads.items() if name != f"heads_{_default('n_heads')}"},
        **{
            name: row for name, row in dropout.items() if name != f"dropout_{_default('dropout'):g}"
        },
        **{f"epochs_{n}": changed(f"{n} epochs", training={"max_epochs": n}) for n in (10, 40, 80)},
        "fixed_maps": changed(
            "random queries and keys, not learned",
            network=class_queries.FixedMaps,
            data=EVERYWHERE,
        ),
        "cell_keys": changed("keys that see the cell", network=class_queries.CellKeys),
        "two_layers": changed("two layers of contexts", network=class_queries.StackedContexts),
        "balanced": changed("class-balanced contexts", network=class_queries.BalancedContexts),
        "ensemble": changed("mean of three seeds", n_members=3),
        "softmax_queries": changed(
            "softmax class queries instead, one layer, no start",
            network=class_queries.SoftmaxClassQueries,
            options={"n_heads": None, "dropout": None, "scale": 0.1, "slope_rate": 0.1},
            training={
                "plan_kwargs": {
                    "optimizer": "sgd",
                    "lr": 0.25,
                    "weight_decay": 0.0,
                    "schedule": "cosine",
                }
            },
            data=EVERYWHERE,
        ),
    }


def _default(name: str) -> Any:
    return preset_content(REFERENCE)["network"][name]
