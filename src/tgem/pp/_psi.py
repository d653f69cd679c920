"""Tables of PSI, the share of transcripts that include an event, as AnnData."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from anndata import AnnData

from tgem._core.errors import listed
from tgem._core.files import existing_file
from tgem._core.validate import check_choice
from tgem.pp._isoform_tables import storable
from tgem.pp._sample_table import SampleTable, sample_table
from tgem.pp._text import broken_file_named, compression_of, first_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SCALES = {"share": 1.0, "percent": 100.0}
_MISSING = ["NA", "NaN", "nan", "NAN", "N/A", "NAold", "NAnew3", "null", "NULL", "None", ""]
# SUPPA2 names an event gene;type:chromosome:junctions:strand, and a transcript gene;transcript
_SUPPA_EVENT = (
    r"^(?P<gene_id>[^;]+);(?P<event_type>[A-Z0-9]+):(?P<chrom>[^:]+):.*:(?P<strand>[+-])$"
)
_SUPPA_TRANSCRIPT = r"^(?P<gene_id>[^;]+);[^;:]+$"


def read_psi(
    path: str | Path,
    *,
    scale: Literal["share", "percent"] = "share",
    samples: Sequence[str] | None = None,
    gene_key: str | None = None,
    obs: SampleTable | None = None,
) -> AnnData:
    r"""Read a table of PSI, events x samples, for the ``"psi"`` decoder of DeepSF.

    Reads the ``.psi`` files of SUPPA2, for events and for transcripts, and any table with a line
    for each event and a column for each sample, such as an ``INCLUSION`` table of vast-tools
    (with ``scale="percent"`` and `samples`).

    Parameters
    ----------
    path
        Table, separated by tabs or commas, plain or gzipped. The first column names the events
        (for vast-tools the first two: gene and event); SUPPA2's header may lack its name.
    scale
        ``"share"`` for values in 0 to 1, ``"percent"`` for 0 to 100.
    samples
        Columns that are samples, in the order wanted; the other columns describe the events.
        ``None`` if all are samples.
    gene_key
        Column with the gene of each event; ``None`` to take it from SUPPA2's names of events, or
        from a column ``gene_id`` or ``GENE``.
    obs
        Table of the samples with their names as index, or a file whose first column has them.

    Returns
    -------
    AnnData, samples x events: ``.X`` PSI in 0 to 1, float32, NaN where not observed; ``.var``:
    ``gene_id`` if known, the columns that describe events, and for events of SUPPA2
    ``event_type``, ``chrom``, ``strand``. Together with genes in TPM,
    ``MuData({"gene": genes, "isoform": psi})`` is what
    :meth:`tgem.model.DeepSF.setup_mudata` takes.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        For values out of the range of `scale`, text among the values, repeated events or samples,
        with the line.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import tgem
    >>> path = Path(tempfile.mkdtemp()) / "events.psi"
    >>> _ = path.write_text(
    ...     "control\tknockdown\n"
    ...     "ENSG01;SE:chr1:100-200:300-400:+\t0.9\t0.2\n"
    ...     "ENSG02;RI:chr2:10:20-30:40:-\tnan\t0.5\n"
    ... )
    >>> adata = tgem.pp.read_psi(path)
    >>> adata.shape
    (2, 2)
    >>> adata.var[["gene_id", "event_type"]].to_numpy().tolist()
    [['ENSG01', 'SE'], ['ENSG02', 'RI']]
    """
    check_choice("scale", scale, _SCALES)
    file = existing_file(path, "a table of PSI")
    table = _read(file)
    if samples is None:
        described = [name for name in (gene_key, "gene_id", "GENE") if name in table]
        samples = [name for name in table if name not in described]
    columns = _sample_columns(table, samples, file)
    values = _numbers(table[columns], file)
    _check_range(values, scale, file)
    var = _events(table.drop(columns=columns), gene_key, file)
    psi = (values / _SCALES[scale]).T.astype(np.float32)
    return AnnData(psi, obs=sample_table(obs, columns), var=storable(var))


def _read(file: Path) -> pd.DataFrame:
    """The table as text, with the events as index."""
    header = first_line(file)
    separator = "\t" if "\t" in header else ","
    with broken_file_named(file):
        try:
            table = pd.read_csv(
                file,
                sep=separator,
                dtype=str,
                index_col=None,
                na_values=_MISSING,
                keep_default_na=False,
                compression=compression_of(file),
            )
        except (pd.errors.ParserError, UnicodeDecodeError) as error:
            msg = f"Expected a table of events x samples in {file}: {error}"
            raise ValueError(msg) from error
    # a header that is one name short makes pandas take the first column for the index
    if isinstance(table.index, pd.RangeIndex):
        name = "EVENT" if "EVENT" in table else table.columns[0]
        table = table.set_index(name)
    if table.empty:
        msg = f"Expected events and samples in {file}, found {table.shape[0]} x {table.shape[1]}."
        raise ValueError(msg)
    twice = table.index[table.index.duplicated()].unique()
    if len(twice) or table.index.hasnans:
        problem = f"found repeatedly: {listed(twice)}" if len(twice) else "found events without"
        msg = f"Expected each event under its own name in {file}, {problem}."
        raise ValueError(msg)
    table.index = table.index.astype(str)
    return table


def _sample_columns(table: pd.DataFrame, samples: Sequence[str], file: Path) -> list[str]:
    wanted = [str(name) for name in samples]
    missing = [name for name in wanted if name not in table]
    if missing or not wanted or len(set(wanted)) < len(wanted):
        msg = (
            f"Expected different columns of {file} in `samples`, got "
            f"{listed(missing or wanted) or 'none'}. Columns there are: {listed(table.columns, 8)}."
        )
        raise ValueError(msg)
    return wanted


def _numbers(table: pd.DataFrame, file: Path) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Values as numbers; text is an error, for a column may be no sample."""
    values = np.empty(table.shape)
    for place, column in enumerate(table):
        texts = table[column]
        numbers = pd.to_numeric(texts, errors="coerce")
        wrong = np.flatnonzero((numbers.isna() & texts.notna()).to_numpy())
        if len(wrong):
            msg = (
                f"Expected PSI in column {column!r} of {file}, found {texts.iloc[wrong[0]]!r} in "
                f"line {wrong[0] + 2}, and text in {len(wrong)} lines. If the column is no sample, "
                "name the samples: `samples=[...]`."
            )
            raise ValueError(msg)
        values[:, place] = numbers
    return values


def _check_range(
    values: np.ndarray[tuple[int, int], np.dtype[np.float64]], scale: str, file: Path
) -> None:
    top = _SCALES[scale]
    if np.isnan(values).all():
        msg = f"Expected PSI in {file}, found missing values alone."
        raise ValueError(msg)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low < 0 or high > top:
        other = "percent" if scale == "share" and low >= 0 and high <= 100 else None
        hint = f"Are they in percent? Pass `scale={other!r}`." if other else "PSI are shares."
        line, column = np.unravel_index(
            np.nanargmax(np.maximum(values - top, -values)), values.shape
        )
        msg = (
            f"Expected PSI in 0 to {top:g} in {file}, found {low:g} to {high:g}, and "
            f"{values[line, column]:g} in line {line + 2}. {hint}"
        )
        raise ValueError(msg)
    if scale == "percent" and high <= 1:
        msg = (
            f"Expected PSI in percent in {file}, found none above {high:g}: these look like "
            "shares. Pass `scale='share'`."
        )
        raise ValueError(msg)


def _events(var: pd.DataFrame, gene_key: str | None, file: Path) -> pd.DataFrame:
    """Gene of each event, and what its name says."""
    if gene_key is not None and gene_key not in var:
        msg = (
            f"Expected the column {gene_key!r} in {file}, beside the samples; columns there are: "
            f"{listed(var) or 'none'}."
        )
        raise KeyError(msg)
    key = next((name for name in (gene_key, "gene_id", "GENE") if name in var), None)
    if key is not None:
        return var.rename(columns={key: "gene_id"})
    names = pd.Series(var.index, index=var.index)
    for pattern in (_SUPPA_EVENT, _SUPPA_TRANSCRIPT):
        parts = names.str.extract(pattern)
        if parts["gene_id"].notna().all():
            return parts.join(var)
    return var
