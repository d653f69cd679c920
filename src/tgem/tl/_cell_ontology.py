"""Predicted labels as terms of the Cell Ontology."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tgem._core import keys
from tgem._core.errors import LabelWarning, listed, warn
from tgem.tl._predicted_labels import classes_of, labels_of
from tgem.tl._provenance import record, target_of

if TYPE_CHECKING:
    from anndata import AnnData

_TERM = re.compile(r"CL:\d{7}")
_SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}


def cell_ontology(
    adata: AnnData,
    table: Mapping[str, str] | pd.DataFrame | str | Path,
    *,
    labels_key: str | None = None,
    label_column: str = "label",
    id_column: str = "cell_ontology_id",
    name_column: str | None = None,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Write the Cell Ontology id of each predicted label, by a table of yours.

    Ids make labels of different studies comparable, and archives such as CELLxGENE ask for them.
    The table says which term a label stands for: labels are looked up exactly, and nothing is
    guessed.

    Parameters
    ----------
    adata
        Cells labelled by :func:`tgem.tl.predict`.
    table
        A dictionary from label to id, such as ``{"B cell": "CL:0000236"}``; a DataFrame; or the
        path of a table, ``.csv`` or, separated by tabs, ``.tsv`` or ``.txt``. Labels with an empty
        id count as not in the table.
    labels_key
        Column of ``adata.obs`` with the labels; the predicted labels by default. With
        ``"tgem_majority_vote"``, for example, those of :func:`tgem.tl.majority_vote`.
    label_column, id_column, name_column
        Columns of a table that is no dictionary: the label, the id (``CL:`` and seven digits) and,
        if the table has it, the term's name.
    key_added
        Prefix of the slots to read and write, ``"tgem"`` by default.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    ``None``, or the changed copy. Writes

    ``.obs["tgem_cell_ontology_id"]``
        id of the cell's label, categorical; missing, with a warning, for labels that are not in
        the table;
    ``.obs["tgem_cell_ontology_name"]``
        the term's name, categorical, with a `name_column`;
    ``.uns["tgem_cell_ontology_id_params"]``
        ``terms``, a DataFrame with ``label``, ``id``, ``name`` and ``n_cells``, and the labels
        that are not in the table, ``unmapped``.

    Raises
    ------
    KeyError
        If there are no predictions, or the table lacks a column.
    FileNotFoundError
        If there is no file at the path.
    ValueError
        If an id is not ``CL:`` and seven digits, if a label has two ids, or if no label is in the
        table; `adata` is then unchanged.

    References
    ----------
    The Cell Ontology: :cite:t:`diehl2016`.

    Examples
    --------
    >>> import tgem
    >>> adata = tgem.datasets.synthetic_expression(n_obs=200, n_genes=60)
    >>> tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    >>> model = tgem.model.TGEM(adata)
    >>> model.train(max_epochs=5, enable_progress_bar=False)
    >>> tgem.tl.predict(adata, model)
    >>> ids = {
    ...     "type_1": "CL:0000236",
    ...     "type_2": "CL:0000624",
    ...     "type_3": "CL:0000625",
    ...     "type_4": "CL:0000623",
    ... }
    >>> tgem.tl.cell_ontology(adata, ids)
    >>> bool(adata.obs["tgem_cell_ontology_id"].notna().all())
    True
    """
    target = target_of(adata, copy=copy)
    labels = labels_of(adata, key_added, labels_key)
    columns = {"label": label_column, "id": id_column, "name": name_column}
    terms = _terms(table, columns)
    used = list(labels.cat.remove_unused_categories().cat.categories)
    # a cell that is typed as unknown has no term to look for
    wanted = used if labels_key else [name for name in used if name in classes_of(adata, key_added)]
    unmapped = [label for label in wanted if label not in terms.index]
    _report(unmapped, wanted, labels, terms)

    found = terms.reindex(labels.cat.categories)
    slots = {"id": keys.CELL_ONTOLOGY_ID, "name": keys.CELL_ONTOLOGY_NAME}
    for column, slot in slots.items():
        if column not in found:
            target.obs = target.obs.drop(columns=slot.key(key_added), errors="ignore")
            continue
        values = labels.astype(object).map(found[column]).to_numpy()
        kept = list(dict.fromkeys(found[column].dropna()))
        slot.write(target, pd.Categorical(values, categories=kept), key_added)
    n_cells = labels.value_counts()
    described = found.rename_axis("label").dropna(subset=["id"]).reset_index()
    described["label"] = described["label"].astype(object)
    described["n_cells"] = [int(n_cells[label]) for label in described["label"]]
    params = {
        "labels_key": labels_key or keys.PREDICTION.key(key_added),
        "terms": described.fillna({"name": ""}),
        "unmapped": np.array(unmapped, dtype=object),
    }
    record(target, keys.CELL_ONTOLOGY_ID, key_added, params)
    return target if copy else None


def _terms(table: Any, columns: dict[str, str | None]) -> pd.DataFrame:
    """Id and, if there is one, name of each label, checked."""
    if isinstance(table, Mapping):
        given = pd.DataFrame({"label": list(table), "id": list(table.values())}, dtype=object)
    else:
        frame = table if isinstance(table, pd.DataFrame) else _read(Path(table))
        wanted = {name: column for name, column in columns.items() if column is not None}
        absent = [column for column in wanted.values() if column not in frame]
        if absent:
            msg = (
                f"Expected the table's columns {listed(wanted.values())}, found no "
                f"{listed(absent)}. Its columns: {listed(frame.columns, 20)}. Name them with "
                "`label_column`, `id_column` and `name_column`."
            )
            raise KeyError(msg)
        given = pd.DataFrame({name: frame[column].to_numpy() for name, column in wanted.items()})
    given = given[given["label"].notna() & given["id"].notna() & (given["id"] != "")]
    given = given.astype({"label": str})
    wrong = [value for value in given["id"] if not _TERM.fullmatch(str(value))]
    if wrong:
        msg = (
            "Expected ids of the Cell Ontology, 'CL:' and seven digits such as 'CL:0000236', "
            f"found {listed(dict.fromkeys(wrong))}. Correct the table."
        )
        raise ValueError(msg)
    given = given.drop_duplicates(["label", "id"])
    twice = given.loc[given["label"].duplicated(keep=False)]
    if len(twice):
        pairs = [
            f"{label}: {each}" for label, each in zip(twice["label"], twice["id"], strict=True)
        ]
        msg = f"Expected one id for each label, found {listed(pairs)}. Correct the table."
        raise ValueError(msg)
    return given.set_index("label")


def _read(path: Path) -> pd.DataFrame:
    if path.suffix.lower() not in _SEPARATORS:
        msg = f"Expected a table that ends in {listed(_SEPARATORS)}, got {str(path)!r}."
        raise ValueError(msg)
    if not path.is_file():
        msg = f"Expected a table at {str(path)!r}, found no file."
        raise FileNotFoundError(msg)
    separator = _SEPARATORS[path.suffix.lower()]
    # a cell type named "NA" or "null" is a name; only what is empty is missing
    return pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, na_values=[""])


def _report(
    unmapped: list[str], wanted: list[str], labels: pd.Series[Any], terms: pd.DataFrame
) -> None:
    """Say which labels have no term; raise if none has one."""
    if not unmapped:
        return
    if len(unmapped) == len(wanted):
        msg = (
            f"Expected ids for the labels {listed(unmapped)}, found none of them in the table, "
            f"whose labels are {listed(terms.index) or 'none'}."
        )
        raise ValueError(msg)
    n_cells = int(labels.isin(unmapped).sum())
    others = [label for label in terms.index if label not in wanted]
    msg = (
        f"{n_cells} of {len(labels)} cells have labels that are not in the table and get no Cell "
        f"Ontology id: {listed(unmapped)}."
    )
    if others:
        msg += f" Labels of the table that no cell has: {listed(others)}."
    warn(msg, LabelWarning)
