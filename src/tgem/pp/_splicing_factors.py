"""Known splicing factors, and which genes of the data they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib.resources import files
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData
from mudata import MuData

from tgem._core import keys
from tgem._core.errors import GeneAlignmentWarning, listed, warn
from tgem._core.mudata_compat import copied
from tgem._core.validate import check_key
from tgem.data import SYMBOL_COLUMNS, unversioned

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

# known to bind RNA, but for what becomes of it after splicing
_NOT_SPLICING = "RNA stability and translation"
_GIVEN = "given"


def splicing_factors() -> pd.DataFrame:
    """Splicing factors and spliceosomal proteins of human, with the publication of each.

    A list for a start, from reviews of the families and, for single factors, from the paper that
    showed the role in splicing. It is not complete: about 1,500 human proteins bind RNA, and many
    of them change splicing somewhere.

    Returns
    -------
    DataFrame, one row for each factor:

    - ``symbol``: HGNC symbol; ``previous``: earlier symbols, joined by ``;``, as older
      annotations have them;
    - ``class``: family or part of the spliceosome. The class ``"RNA stability and translation"``
      is here for comparison and not flagged unless asked for;
    - ``source``: key in the list of references of the documentation.

    Examples
    --------
    >>> import tgem
    >>> table = tgem.pp.splicing_factors()
    >>> table.loc[table["class"] == "NOVA", "symbol"].tolist()
    ['NOVA1', 'NOVA2']
    """
    text = files("tgem.pp").joinpath("splicing_factors.tsv").read_text(encoding="utf-8")
    return pd.read_csv(StringIO(text), sep="\t", dtype=str, keep_default_na=False)


def flag_splicing_factors(
    mdata: MuData | AnnData,
    *,
    factors: Collection[str] | None = None,
    classes: Collection[str] | str | None = None,
    symbol_key: str | None = None,
    ignore_case: bool = False,
    modality: str = "gene",
    key_added: str | None = None,
    copy: bool = False,
) -> MuData | AnnData | None:
    """Mark the genes that are splicing factors, for :meth:`tgem.model.DeepSF.setup_mudata`.

    Parameters
    ----------
    mdata
        MuData with a modality of genes, or AnnData of genes.
    factors
        Symbols or identifiers of your own list; ``None`` for :func:`splicing_factors`. Versions
        of Ensembl identifiers make no difference.
    classes
        Classes of :func:`splicing_factors` to flag; ``None`` for all that splice.
    symbol_key
        Column of ``.var`` with the symbols; ``None`` for the first of ``gene_symbol``,
        ``gene_name``, ``symbol``, ``gene_symbols``, ``gene_names`` that is there. The names of
        the genes are always looked at too.
    ignore_case
        Whether ``Srsf1`` is ``SRSF1``, as needed for mouse.
    modality
        Modality of the genes in a MuData.
    key_added
        Name of the column, ``"splicing_factor"`` by default.
    copy
        Whether to return a changed copy and leave `mdata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes into ``.var`` of the genes:

    - ``splicing_factor``: bool;
    - ``splicing_factor_class``: categorical, the class, ``"given"`` for those of `factors`,
      missing for other genes.

    Warns
    -----
    GeneAlignmentWarning
        If names of `factors` are not in the data.

    Raises
    ------
    KeyError
        If the modality or column does not exist.
    ValueError
        If no gene is a splicing factor, or a class is unknown.

    Examples
    --------
    >>> import anndata, pandas as pd
    >>> import tgem
    >>> genes = pd.DataFrame({"gene_symbol": ["SRSF1", "GAPDH", "HNRPA1"]}, index=["a", "b", "c"])
    >>> adata = anndata.AnnData(var=genes)
    >>> tgem.pp.flag_splicing_factors(adata, classes=["SR protein", "hnRNP"])
    >>> adata.var["splicing_factor"].tolist()
    [True, False, True]
    """
    names = _names_of_genes(_genes(mdata, modality), symbol_key, ignore_case=ignore_case)
    if factors is None:
        class_of = _curated(classes, names, ignore_case=ignore_case)
    else:
        class_of = _given(factors, classes, names, ignore_case=ignore_case)
    found = [next((class_of[name] for name in each if name in class_of), None) for each in names]
    _check_found(found, names, own=factors is not None)
    target = copied(mdata) if copy else mdata
    column = keys.FACTOR_COLUMN if key_added is None else key_added
    var = _genes(target, modality).var
    var[column] = np.array([each is not None for each in found])
    var[f"{column}_class"] = pd.Categorical(found)
    return target if copy else None


def _genes(data: MuData | AnnData, modality: str) -> AnnData:
    """Return the table of the genes."""
    if isinstance(data, MuData):
        if modality not in data.mod:
            msg = (
                f"Expected the modality {modality!r} in mdata, found {listed(data.mod)}. Name the "
                "one with the genes: `modality=...`."
            )
            raise KeyError(msg)
        return data[modality]
    if not isinstance(data, AnnData):
        msg = f"Expected `mdata` to be of type MuData or AnnData, got {type(data).__name__}."
        raise TypeError(msg)
    return data


def _folded(names: Any, *, ignore_case: bool) -> list[str]:
    plain = unversioned(pd.Index(names, dtype=object).astype(str))
    return [name.upper() if ignore_case else name for name in plain]


def _names_of_genes(
    table: AnnData, symbol_key: str | None, *, ignore_case: bool
) -> list[tuple[str, ...]]:
    """Symbol and name of each gene, as far as it has both."""
    if symbol_key is None:
        symbol_key = next((name for name in SYMBOL_COLUMNS if name in table.var), None)
    else:
        check_key(table, "var", symbol_key, "the genes")
    columns = [table.var_names]
    if symbol_key is not None:
        columns.insert(0, table.var[symbol_key].astype(object).fillna(""))
    return list(zip(*(_folded(names, ignore_case=ignore_case) for names in columns), strict=True))


def _curated(
    classes: Collection[str] | str | None, names: list[tuple[str, ...]], *, ignore_case: bool
) -> dict[str, str]:
    """Class of each symbol of our list; an earlier symbol only where the current one is absent."""
    table = splicing_factors()
    known = table["class"].unique().tolist()
    chosen = [classes] if isinstance(classes, str) else classes
    if chosen is None:
        chosen = [name for name in known if name != _NOT_SPLICING]
    unknown = [name for name in chosen if name not in known]
    if unknown or not chosen:
        msg = f"Expected `classes` among {listed(known, 50)}, got {listed(unknown) or 'none'}."
        raise ValueError(msg)
    present = {name for each in names for name in each}
    class_of = {}
    for symbol, kind, previous, _ in table[table["class"].isin(chosen)].itertuples(index=False):
        candidates = _folded([symbol, *filter(None, previous.split(";"))], ignore_case=ignore_case)
        used = next((name for name in candidates if name in present), candidates[0])
        class_of[used] = str(kind)
    return class_of


def _given(
    factors: Collection[str],
    classes: Collection[str] | str | None,
    names: list[tuple[str, ...]],
    *,
    ignore_case: bool,
) -> dict[str, str]:
    """Check the user's own list."""
    if isinstance(factors, str | Mapping | pd.DataFrame):
        msg = (
            "Expected `factors` to be a list of symbols or identifiers, got "
            f"{type(factors).__name__}. Pass one column: `factors=table['symbol']`."
        )
        raise TypeError(msg)
    if classes is not None:
        msg = "Expected `factors` or `classes`, got both: classes are those of our own list."
        raise ValueError(msg)
    wanted = dict.fromkeys(_folded(list(factors), ignore_case=ignore_case), _GIVEN)
    present = {name for each in names for name in each}
    missing = [name for name in wanted if name not in present]
    if missing and len(missing) < len(wanted):
        msg = f"{len(missing)} of {len(wanted)} factors are not in the data: {listed(missing)}."
        warn(msg, GeneAlignmentWarning)
    return wanted


def _check_found(found: list[str | None], names: list[tuple[str, ...]], *, own: bool) -> None:
    if any(kind is not None for kind in found):
        return
    column = "symbols or identifiers" if own else "symbols"
    msg = (
        f"Expected splicing factors among the {len(names)} genes, found none. The genes are called "
        f"{listed([name for each in names[:3] for name in each], 6)}: "
        f"are these {column} of the list? Name the column with `symbol_key`, use "
        "`ignore_case=True` for mouse, or pass `factors` with names as the data have them."
    )
    raise ValueError(msg)
