"""What a transfer returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from tgem.data import GeneAlignment


@dataclass(frozen=True)
class Transferred:
    """Cells of another data set, labelled beside the training cells.

    Attributes
    ----------
    probabilities
        DataFrame, cells x classes.
    latent
        Latent representation of the shifted cells, ``(n_obs, n_dimensions)``.
    composition
        DataFrame, batches x classes: estimated share of each class, the mean of its probabilities
        over the cells.
    report
        DataFrame, a row for each batch: ``n_obs`` cells, ``n_labelled`` of them with a label that
        was used; ``mean_confidence``; ``genes_detected``, the median number of the found genes
        that a cell expresses, and ``genes_detected_in_training``, their mean there;
        ``relative_total``, the median of the cells' sums of ``expm1`` over the found genes, over
        the training cells' mean; ``shift``, the root mean square over genes of the change, in
        standard deviations of the training cells; ``shift_kept``, the share of the measured
        difference that is more than chance.
    genes
        The genes found and missing, and by which identifiers.
    weight_found
        Share of the classes' weights (absolute values of those for levels) that is on found genes.
    """

    probabilities: pd.DataFrame
    latent: np.ndarray[Any, Any]
    composition: pd.DataFrame
    report: pd.DataFrame
    genes: GeneAlignment
    weight_found: float

    @property
    def labels(self) -> np.ndarray[Any, Any]:
        """Most probable class of each cell."""
        found: np.ndarray[Any, Any] = self.probabilities.columns.to_numpy()[
            self.probabilities.to_numpy().argmax(axis=1)
        ]
        return found

    def __str__(self) -> str:
        """Genes, and a line for each batch."""
        genes = f"{self.genes} by {self.genes.matched_by}, {self.weight_found:.0%} of the weight"
        return f"{genes}\n{self.report.round(3).to_string()}"
