"""The page as a whole."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from mudata import MuData

from tgem._core import keys
from tgem._core.errors import listed
from tgem._core.one_model import warn_of_two_models
from tgem._core.validate import check_count, check_data, check_key
from tgem._report._attention import entropy, necessity
from tgem._report._embedding import embedding
from tgem._report._gene_sets import enrichment
from tgem._report._genes import ablation, history, top_genes
from tgem._report._html import Section, escaped
from tgem._report._metrics import calibration, metrics
from tgem._report._networks import hubs, network, stability
from tgem._report._overview import overview
from tgem._report._provenance import provenance
from tgem.pl._network_page import network_style

if TYPE_CHECKING:
    from anndata import AnnData

_SUFFIXES = (".html", ".htm")


def report(
    adata: AnnData,
    path: str | Path,
    *,
    labels_key: str | None = None,
    title: str | None = None,
    n_genes: int = 20,
    n_edges: int | None = None,
    key_added: str | None = None,
) -> Path:
    """Write one HTML page with everything that the tools wrote into `adata`.

    The page needs no network, no model and no other file: metrics and confusion, calibration,
    UMAP, training, genes that decided, ablation, whether attention matters, the network to click
    through, hubs, gene sets, and how each was made. What was not computed is a line that names
    the call for it. Tables sort and filter; the theme follows the reader's system and can be
    changed.

    Parameters
    ----------
    adata
        Cells with results of :mod:`tgem.tl`; it is not changed.
    path
        File to write, ending in ``.html``; an existing one is replaced.
    labels_key
        Column of ``adata.obs`` with the given labels, for the UMAP and, where
        ``.obs["tgem_split"]`` says which cells were held out, for the scores of each split.
    title
        Title of the page.
    n_genes
        Number of top genes of each class in the table.
    n_edges
        Number of strongest edges of each class in the page. By default as many as keep the page
        small, 60,000 of all classes together.
    key_added
        Prefix of the slots, ``"tgem"`` by default.

    Returns
    -------
    The path of the page.

    Warns
    -----
    ResultsWarning
        If attributions and predictions are not of one model; the page says so too.

    Raises
    ------
    TypeError
        If `adata` is a MuData: the results of DeepSF and EpiAttention have plots, but no report.
    KeyError
        If `labels_key` is not in ``adata.obs``.
    ValueError
        If there is nothing of the prefix in `adata`, for a path that does not end in ``.html``, or
        a number below 1.
    FileNotFoundError
        If the folder of `path` does not exist.

    Examples
    --------
    >>> import tempfile, tgem
    >>> from pathlib import Path
    >>> adata = tgem.datasets.synthetic_expression(n_obs=200, n_genes=60)
    >>> tgem.model.TGEM.setup_anndata(adata, labels_key="cell_type")
    >>> model = tgem.model.TGEM(adata)
    >>> model.train(max_epochs=5, enable_progress_bar=False)
    >>> tgem.tl.predict(adata, model)
    >>> tgem.tl.confusion(adata, model)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = tgem.report(adata, Path(folder) / "report.html", labels_key="cell_type")
    ...     "macro-F1" in path.read_text()
    True
    """
    _check(adata)
    target = _checked_path(path)
    check_count("n_genes", n_genes)
    if n_edges is not None:
        check_count("n_edges", n_edges)
    if labels_key is not None:
        check_key(adata, "obs", labels_key)
    prefix = key_added or keys.PREFIX
    _check_results(adata, prefix)
    warn_of_two_models(adata, prefix)
    sections = [
        overview(adata, prefix, labels_key),
        metrics(adata, prefix, labels_key),
        calibration(adata, prefix),
        embedding(adata, prefix, labels_key),
        history(adata, prefix),
        top_genes(adata, prefix, n_genes),
        ablation(adata, prefix),
        enrichment(adata, prefix),
        necessity(adata, prefix),
        entropy(adata, prefix),
        network(adata, prefix, n_edges),
        hubs(adata, prefix),
        stability(adata, prefix),
        provenance(adata, prefix),
    ]
    target.write_text(_page(sections, title or "T-GEM report"), encoding="utf-8")
    return target


def _check(adata: AnnData) -> None:
    if isinstance(adata, MuData):
        msg = (
            "Expected `adata` to be of type AnnData, got MuData: results of DeepSF and "
            "EpiAttention have no report yet. Their network can be clicked through with "
            '`tgem.pl.network(mdata, interactive="network.html")`.'
        )
        raise TypeError(msg)
    check_data(adata)


def _checked_path(path: str | Path) -> Path:
    target = Path(path)
    if target.suffix.lower() not in _SUFFIXES:
        msg = f"Expected `path` to end in '.html', got {str(target)!r}."
        raise ValueError(msg)
    if not target.parent.is_dir():
        msg = (
            f"Expected `path` to be in an existing folder, but there is no {str(target.parent)!r}."
        )
        raise FileNotFoundError(msg)
    if target.is_dir():
        msg = f"Expected `path` to be a file, but {str(target)!r} is a folder."
        raise IsADirectoryError(msg)
    return target


def _check_results(adata: AnnData, prefix: str) -> None:
    """Refuse to write a page of nothing, which a mistyped prefix would give."""
    slots = [slot for slot in keys.SLOTS if slot.written_by.startswith("tgem.tl.")]
    if any(slot.key(prefix) in getattr(adata, slot.container) for slot in slots):
        return
    others = sorted(
        {
            key.removesuffix(end)
            for slot in slots
            for end in [slot.pattern.removeprefix("{prefix}")]
            for key in map(str, getattr(adata, slot.container))
            if slot.pattern.startswith("{prefix}") and key.endswith(end) and key != end
        }
    )
    msg = f"Expected results of tgem.tl under the prefix {prefix!r} in `adata`, found none. "
    msg += (
        f"There may be some under {listed(others)}; name the prefix with `key_added`."
        if others
        else "Write them first, such as with `tgem.tl.predict(adata, model)`."
    )
    raise ValueError(msg)


def _page(sections: list[Section], title: str) -> str:
    """Fill in the template in one pass, so that a name with braces in it stays a name."""
    folder = files("tgem._report")
    links = "".join(
        f'<li class="{"" if each.present else "absent"}">'
        f'<a href="#{each.anchor}">{each.title}</a></li>'
        for each in sections
    )
    parts = {
        "title": escaped(title),
        "style": network_style() + folder.joinpath("page.css").read_text(encoding="utf-8"),
        "script": folder.joinpath("page.js").read_text(encoding="utf-8"),
        "links": links,
        "sections": "\n".join(map(_section, sections)),
        "version": escaped(version("tgem")),
        "date": datetime.now(tz=UTC).strftime("%Y-%m-%d"),
    }
    template = folder.joinpath("page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], template)


def _section(each: Section) -> str:
    absent = "" if each.present else ' class="absent"'
    heading = f'<h2 id="{each.anchor}-title">{each.title}</h2>'
    return (
        f'<section id="{each.anchor}"{absent} aria-labelledby="{each.anchor}-title">'
        f"{heading}{each.body}</section>"
    )
