"""Classifiers that say which genes decided."""

from __future__ import annotations

from copy import copy, deepcopy
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from scipy.special import softmax

from tgem._core.errors import listed
from tgem._core.random import seeded
from tgem.model._base._attribution import mean_cell
from tgem.model._base._classifier import ClassifierModel
from tgem.model._base._reading import PREDICTION_BATCH_SIZE

if TYPE_CHECKING:
    from anndata import AnnData

    from tgem.model._base._attribution import AttributionResult
    from tgem.model._base._registered import Cells

PREDICTED = "predicted"


class ExplainedClassifier(ClassifierModel):
    """A classifier of cells that attributes its decisions to genes."""

    def predict_expression(self, expression: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Predict probabilities of cells that are in no AnnData, such as altered ones.

        Parameters
        ----------
        expression
            Array ``(n_obs, n_genes)``, genes in the order of :attr:`gene_names`, in the units of
            the training data.

        Returns
        -------
        Calibrated probabilities, as those of ``predict(soft=True)``, ``(n_obs, n_classes)``.
        """
        self._check_trained()
        values = np.asarray(expression, dtype=np.float32)
        if values.ndim != 2 or values.shape[1] != len(self.gene_names):
            msg = (
                f"Expected `expression` of shape (n_obs, {len(self.gene_names)}), got "
                f"{values.shape}."
            )
            raise ValueError(msg)
        self.module.eval()
        with torch.inference_mode():
            blocks = [
                self.module(block.to(self.module.device)).cpu()
                for block in torch.split(torch.from_numpy(values), PREDICTION_BATCH_SIZE)
            ]
        return softmax(self._calibrated(torch.cat(blocks).numpy()), axis=1)

    def with_shuffled_weights(self, seed: int = 0) -> Self:
        """A copy whose weights have lost what they learned: the entries of each are shuffled.

        Explanations that such a model gives as well explain the data, not the training.

        Parameters
        ----------
        seed
            Seed of the shuffling.

        Returns
        -------
        A model of the same data.
        """
        other = copy(self)
        other.module = deepcopy(self.module)
        with seeded(seed), torch.no_grad():
            for weight in other.module.parameters():
                order = torch.randperm(weight.numel()).to(weight.device)
                weight.copy_(weight.flatten()[order].view_as(weight))
        return other

    def get_attributions(
        self,
        adata: AnnData | None = None,
        indices: Cells = None,
        *,
        method: str = "integrated_gradients",
        target: Any = PREDICTED,
        baseline: Any = "zero",
        n_steps: int = 50,
        batch_size: int = 64,
        seed: int = 0,
    ) -> AttributionResult:
        """Attribute each cell's logit of a class to its genes.

        Parameters
        ----------
        adata
            Cells to explain; ``None`` for the training data.
        indices
            Positions of the cells, or a boolean mask; ``None`` for all.
        method
            A name in :data:`tgem.attr.METHODS`.
        target
            ``"predicted"``, each cell's own predicted label; one label for all cells; or an array
            with a label for each cell.
        baseline
            What to compare a cell with: ``"zero"``, nothing expressed; ``"mean"``, the mean cell
            of the data; or a label, the mean of the cells that the model gives it.
        n_steps
            Steps from the baseline to the cell, for the methods that take steps. Where a cell's
            attributions do not add up to within a thousandth, it gets 4, then 16 times as many.
        batch_size
            Forward passes at once.
        seed
            Seed of the methods that add noise.

        Returns
        -------
        Attributions, gene names, target classes, and how far each cell's attributions are from
        adding up to the change of the logit.

        Raises
        ------
        ValueError
            For an unknown class, method or baseline, or another number of targets than cells.
        """
        return self._attribute(
            adata,
            indices,
            self._targets(adata, indices, target),
            reference=self._reference(adata, baseline),
            method=method,
            n_steps=n_steps,
            batch_size=batch_size,
            seed=seed,
        )

    def _targets(self, adata: AnnData | None, indices: Cells, target: Any) -> np.ndarray[Any, Any]:
        """Position among the classes of the label that is explained in each cell."""
        targets: np.ndarray[Any, Any] = self._outputs(adata, indices, None).argmax(axis=1)
        if not isinstance(target, str) and np.ndim(target) > 0:
            target = np.asarray(target)
            if target.shape != targets.shape:
                msg = (
                    f"Expected one `target` for each of the {len(targets)} cells, found an array "
                    f"of shape {target.shape}. Pass one label, or one for each cell."
                )
                raise ValueError(msg)
            codes = {label: self._code("target", label) for label in np.unique(target)}
            targets = np.array([codes[label] for label in target])
        elif not (isinstance(target, str) and target == PREDICTED):
            targets = np.full(len(targets), self._code("target", target, (PREDICTED,)))
        return targets.astype(np.int64)

    def _code(self, name: str, label: Any, words: tuple[str, ...] = ()) -> int:
        """Position of a label among the classes."""
        known = np.flatnonzero(self.classes == label)
        if known.size == 0:
            special = f"{' or '.join(map(repr, words))}, or " if words else ""
            msg = (
                f"Expected `{name}` to be {special}one of {listed(self.classes, 40)}, got "
                f"{label!r}."
            )
            raise ValueError(msg)
        return int(known[0])

    def _reference(self, adata: AnnData | None, baseline: Any) -> np.ndarray[Any, Any]:
        """The cell to compare with."""
        if isinstance(baseline, str) and baseline == "zero":
            return np.zeros(len(self.gene_names), dtype=np.float32)
        dataset = self._dataset(adata)
        cells = np.arange(len(dataset))
        if not (isinstance(baseline, str) and baseline == "mean"):
            code = self._code("baseline", baseline, ("zero", "mean"))
            cells = np.flatnonzero(self._outputs(adata, None, None).argmax(axis=1) == code)
            if cells.size == 0:
                msg = (
                    f"Expected cells that the model types as {baseline!r}, to take their mean as "
                    "the baseline, found none. Choose another label, 'zero' or 'mean'."
                )
                raise ValueError(msg)
        return mean_cell(dataset, self._features, cells)
