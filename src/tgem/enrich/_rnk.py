"""Rankings of genes as files for the GSEA program."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tgem.enrich._prerank import check_ranking

if TYPE_CHECKING:
    import pandas as pd


def write_rnk(ranking: pd.Series[float], path: str | Path) -> Path:
    r"""Write a ranking of genes as an ``.rnk`` file, which GSEA and gseapy read.

    One line a gene: its name, a tab and its score, the largest score first, without a header.
    Genes without a score are left out; equal scores are in the order of the names.

    Parameters
    ----------
    ranking
        Score of each gene, with the genes' names as index.
    path
        File to write, usually ending in ``.rnk``. An existing file is replaced.

    Returns
    -------
    The path.

    Raises
    ------
    FileNotFoundError
        The folder does not exist.
    ValueError
        A gene occurs twice, a score is infinite, a name holds a tab or a line break, or fewer
        than two genes have a score; nothing is then written.

    Examples
    --------
    >>> import pandas as pd
    >>> from tempfile import TemporaryDirectory
    >>> from tgem.enrich import write_rnk
    >>> ranking = pd.Series({"CD3D": -0.25, "MS4A1": 2.0, "LYZ": float("nan")})
    >>> with TemporaryDirectory() as folder:
    ...     write_rnk(ranking, f"{folder}/B cell.rnk").read_text()
    'MS4A1\t2.0\nCD3D\t-0.25\n'
    """
    path = Path(path)
    check_ranking(ranking, missing_allowed=True)
    scores = ranking.astype(float).set_axis(ranking.index.astype(str)).dropna()
    broken = [name for name in scores.index if re.search(r"[\t\r\n]", name)]
    if broken:
        msg = f"Expected names of genes without tabs and line breaks, found {broken[0]!r}."
        raise ValueError(msg)
    if not path.parent.is_dir():
        msg = f"Expected `path` in an existing folder, but there is no {str(path.parent)!r}."
        raise FileNotFoundError(msg)
    scores = scores.sort_index().sort_values(ascending=False, kind="stable")
    lines = [f"{name}\t{float(score)!r}\n" for name, score in scores.items()]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def write_rnk_by_class(rankings: pd.DataFrame, folder: str | Path) -> dict[str, Path]:
    """Write one ``.rnk`` file for each class.

    Parameters
    ----------
    rankings
        Genes x classes, such as the mean attributions in ``adata.varm["tgem_attribution"]``.
        Classes without any score are left out.
    folder
        Folder to write to; made if it does not exist. Files of the same name are replaced.

    Returns
    -------
    From each class to its file. The file's name is the class's, with everything but letters,
    digits, ``+``, ``-`` and points replaced by an underscore, and a number added where two
    classes would share a file.

    Raises
    ------
    ValueError
        As in :func:`tgem.enrich.write_rnk`.

    Examples
    --------
    >>> import pandas as pd
    >>> from tempfile import TemporaryDirectory
    >>> from tgem.enrich import write_rnk_by_class
    >>> rankings = pd.DataFrame({"B cell": [1.0, 0.5], "CD4+|CD25": [0.1, 0.2]}, ["LYZ", "CD3D"])
    >>> with TemporaryDirectory() as folder:
    ...     files = write_rnk_by_class(rankings, folder)
    >>> [path.name for path in files.values()]
    ['B_cell.rnk', 'CD4+_CD25.rnk']
    """
    scored = rankings.dropna(axis="columns", how="all")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, Path] = {}
    # Some file systems take names that differ in case only for the same.
    taken: set[str] = set()
    for label in scored:
        stem = safe = re.sub(r"[^\w+.-]+", "_", str(label)).strip(".") or "class"
        number = 2
        while stem.lower() in taken:
            stem, number = f"{safe}_{number}", number + 1
        taken.add(stem.lower())
        files[str(label)] = write_rnk(scored[label], folder / f"{stem}.rnk")
    return files
