"""Which factor regulates which isoform: effects, their summary by gene, the strongest edges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from tgem._core.validate import check_choice, check_count

if TYPE_CHECKING:
    from collections.abc import Collection

GENE_SUMMARIES = ("max", "rms")


class Regulation(NamedTuple):
    """Attribution of every isoform to every splicing factor, summed up over samples.

    Attributes
    ----------
    effect
        Mean DeepLIFT multiplier, ``(n_factors, n_isoforms)``, float32: change of the isoform per
        unit of the scaled factor (a standard deviation; for ``"sigmoid"`` the whole clipped
        range), on the way from the reference to the samples.
    mean
        Mean DeepLIFT score over the samples, the same shape: multiplier times distance of the
        factor from the reference. Where samples lie on both sides of the reference, as around the
        median, scores of either sign cancel, and `effect` says more.
    t_statistic
        Mean over its standard error, the same shape; ``None`` for a single sample. The samples
        are not independent draws of the model, so it ranks edges and is no test of them.
    factors, isoforms
        Names of rows and columns.
    genes
        Gene of each isoform.
    n_samples
        Number of samples.
    residual
        Largest difference between the sum of an isoform's scores and the change of what is
        attributed, over samples and isoforms: 0 up to rounding.
    """

    effect: np.ndarray[Any, Any]
    mean: np.ndarray[Any, Any]
    t_statistic: np.ndarray[Any, Any] | None
    factors: pd.Index
    isoforms: pd.Index
    genes: pd.Index
    n_samples: int
    residual: float

    def by_gene(self, summary: str = "rms") -> pd.DataFrame:
        """Sum the effects on the isoforms of each gene up.

        Parameters
        ----------
        summary
            ``"rms"``: root mean square over the gene's isoforms. ``"max"``: largest absolute
            value, as published for DeepRBP; it grows with the number of isoforms even where no
            factor does anything, as the largest of many numbers is larger than that of few.

        Returns
        -------
        DataFrame, factors x genes.
        """
        check_choice("summary", summary, GENE_SUMMARIES)
        codes, genes = pd.factorize(self.genes)
        table = np.zeros((len(genes), len(self.factors)), dtype=np.float32)
        known = codes >= 0
        scores, codes = np.abs(self.effect.T[known]), codes[known]
        if summary == "max":
            np.maximum.at(table, codes, scores)
        else:
            np.add.at(table, codes, scores**2)
            table = np.sqrt(table / np.bincount(codes, minlength=len(genes))[:, None])
        return pd.DataFrame(table.T, index=self.factors, columns=pd.Index(genes, name="gene"))

    def edges(
        self,
        n_edges: int = 10_000,
        *,
        by: str = "effect",
        genes: Collection[str] | None = None,
    ) -> pd.DataFrame:
        """Collect the strongest edges of the network.

        Parameters
        ----------
        n_edges
            Number of edges.
        by
            ``"effect"``, ``"mean"`` or ``"t_statistic"``: what ranks the edges, by absolute value.
        genes
            Genes to whose isoforms edges are kept; ``None`` for all.

        Returns
        -------
        Long table, strongest first: ``source`` (factor), ``target`` (isoform), ``weight`` (the
        effect, signed), ``gene``, and ``t_statistic`` where there is one.
        """
        check_count("n_edges", n_edges)
        check_choice("by", by, ("effect", "mean", "t_statistic"))
        ranked: np.ndarray[Any, Any] | None = getattr(self, by)
        if ranked is None:
            msg = "Expected a t-statistic to rank by, but a single sample has none."
            raise ValueError(msg)
        strength = np.nan_to_num(np.abs(ranked))
        if genes is not None:
            strength = strength * self.genes.isin(genes)
        strength = strength.ravel()
        kept = np.argpartition(strength, -min(n_edges, strength.size))[-n_edges:]
        kept = kept[strength[kept] > 0]
        kept = kept[np.argsort(-strength[kept], kind="stable")]
        factor, isoform = np.unravel_index(kept, self.mean.shape)
        table = pd.DataFrame(
            {
                "source": self.factors[factor],
                "target": self.isoforms[isoform],
                "weight": self.effect.ravel()[kept],
                "gene": self.genes[isoform],
            }
        )
        if self.t_statistic is not None:
            table["t_statistic"] = self.t_statistic.ravel()[kept]
        return table
