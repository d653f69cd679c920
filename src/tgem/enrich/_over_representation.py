"""Over-representation of gene sets in a gene list, by gseapy without its network access."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core.errors import listed
from tgem._core.validate import check_count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Columns of the result, as gseapy names them.
RESULT_COLUMNS = (
    "Gene_set",
    "Term",
    "Overlap",
    "P-value",
    "Adjusted P-value",
    "Odds Ratio",
    "Combined Score",
    "Genes",
)
_NUMERIC = ("P-value", "Adjusted P-value", "Odds Ratio", "Combined Score")


def over_representation(
    genes: Sequence[str],
    gene_sets: Mapping[str, Sequence[str]],
    background: Sequence[str],
    *,
    min_size: int = 5,
) -> pd.DataFrame:
    """Test which gene sets a list of genes holds more of than chance would.

    Each set is first reduced to the `background`, the genes that could have been in the
    list. The p-value is the upper tail of the hypergeometric distribution (Fisher's exact
    test, one-sided): the chance of an overlap at least this large if as many genes were
    drawn from the background blindly.

    Every set that is large enough is a test, with p = 1 if it shares no gene with the list: to
    leave those out, as gseapy does, would choose the tests after a look at the result, and the
    false discovery rate would be larger than it says. Sets are chosen by their size alone,
    which the list has no part in; a larger `min_size` leaves fewer tests to pay for.

    Parameters
    ----------
    genes
        The genes in question, such as those with the largest attribution. All of them must
        be in `background`.
    gene_sets
        Dictionary from the name of a set to its genes; see
        :func:`tgem.enrich.read_gene_sets`.
    background
        Every gene that could have been chosen, such as all genes of the model. A background
        of the whole genome makes everything expressed look enriched.
    min_size
        Smallest number of background genes of a set that is tested, as in
        :func:`tgem.enrich.prerank`; 1 tests every set with a gene in the background.

    Returns
    -------
    One row per tested set that shares a gene with the list, in order of p-value:

    - ``Gene_set``: always ``"gene_sets"``;
    - ``Term``: name of the set;
    - ``Overlap``: shared genes / genes of the set in the background, such as ``"7/12"``;
    - ``P-value``, ``Adjusted P-value``: the latter by Benjamini and Hochberg over all tested
      sets, also those without a row;
    - ``Odds Ratio``: with 0.5 added to each count (Haldane and Anscombe);
    - ``Combined Score``: odds ratio times -ln(p);
    - ``Genes``: the shared genes, in the order of `genes`, joined by semicolons.

    No shared gene at all gives an empty table with the same columns.

    Raises
    ------
    ValueError
        `genes` has a gene that `background` lacks, or `min_size` is below 1.

    Examples
    --------
    >>> from tgem.enrich import over_representation
    >>> background = [f"GENE{i}" for i in range(100)]
    >>> sets = {"cycle": background[:8], "stress": background[50:70]}
    >>> table = over_representation(background[:10], sets, background)
    >>> table[["Term", "Overlap"]].values.tolist()
    [['cycle', '8/8']]
    """
    check_count("min_size", min_size)
    ordered = list(dict.fromkeys(genes))
    tokens = {gene: f"G{index}" for index, gene in enumerate(dict.fromkeys(background))}
    _check_in_background(ordered, tokens)
    # gseapy turns names to upper case or to integers when the sets look like it, which loses
    # genes such as C1orf43; neutral upper-case names leave it nothing to guess.
    coded_sets = {
        str(name): [tokens[gene] for gene in dict.fromkeys(members) if gene in tokens]
        for name, members in gene_sets.items()
    }
    tested = {name: members for name, members in coded_sets.items() if len(members) >= min_size}
    query = {tokens[gene] for gene in ordered}
    # gseapy logs an error to the terminal when nothing overlaps, although it is a result.
    if not any(query.intersection(members) for members in tested.values()):
        return _tidy(None, [])
    coded = _run_gseapy([tokens[gene] for gene in ordered], tested, list(tokens.values()))
    coded["Adjusted P-value"] = _adjusted(coded["P-value"].to_numpy(dtype=float), len(tested))
    names = {token: gene for gene, token in tokens.items()}
    rank = {token: position for position, token in enumerate(tokens[gene] for gene in ordered)}
    shared = [
        ";".join(names[token] for token in sorted(joined.split(";"), key=rank.__getitem__))
        for joined in coded["Genes"]
    ]
    return _tidy(coded, shared)


def _check_in_background(genes: list[str], background: Mapping[str, str]) -> None:
    outside = [gene for gene in genes if gene not in background]
    if outside:
        msg = (
            f"Expected every gene to be in the background of {len(background)} genes but "
            f"{len(outside)} of {len(genes)} are not: {listed(outside)}. "
            "Add them to `background` or drop them from `genes`."
        )
        raise ValueError(msg)


def _run_gseapy(
    genes: list[str], gene_sets: dict[str, list[str]], background: list[str]
) -> pd.DataFrame:
    import gseapy  # noqa: PLC0415 - takes a second to import

    # A p-value below the smallest float is 0, and its score rightly infinite.
    with np.errstate(divide="ignore"):
        enriched = gseapy.enrich(
            gene_list=genes,
            gene_sets=gene_sets,
            background=background,
            outdir=None,
            no_plot=True,
        )
    results: pd.DataFrame = enriched.results
    return results


def _adjusted(p_values: np.ndarray[Any, Any], n_tested: int) -> np.ndarray[Any, Any]:
    """Adjust by Benjamini and Hochberg; the tests that are not shown have p = 1."""
    from scipy.stats import false_discovery_control  # noqa: PLC0415 - slow to import

    every = np.concatenate([p_values, np.ones(n_tested - len(p_values))])
    adjusted: np.ndarray[Any, Any] = false_discovery_control(every)[: len(p_values)]
    return adjusted


def _tidy(coded: pd.DataFrame | None, shared: list[str]) -> pd.DataFrame:
    """Give the table the same columns, types and order whatever gseapy returned."""
    if coded is None:
        coded = pd.DataFrame({column: [] for column in RESULT_COLUMNS})
    table = coded.assign(Genes=shared, Gene_set="gene_sets")[list(RESULT_COLUMNS)]
    types = {name: "float64" if name in _NUMERIC else "object" for name in RESULT_COLUMNS}
    return table.astype(types).sort_values(["P-value", "Term"], ignore_index=True)
