"""Read gene sets from a dictionary, a GMT file, or an Enrichr library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tgem._core.errors import listed
from tgem.enrich._libraries import fetch_library, is_library_name


def read_gene_sets(
    source: Mapping[str, Sequence[str]] | str | Path, *, organism: str = "Human"
) -> dict[str, list[str]]:
    r"""Read named sets of genes from a dictionary, a GMT file, or an Enrichr library.

    A GMT file (the format of MSigDB) has one set a line, separated by tabs: name,
    description (may be empty), then the genes. Blank lines, empty trailing fields and
    repeated genes do no harm. Only the name of a library makes use of the network.

    Parameters
    ----------
    source
        Dictionary from the name of a set to its genes; or the path of a GMT file; or the name of
        an Enrichr library, such as ``"GO_Biological_Process_2021"``. A text is a library's name
        if there is no such file and it has neither a folder nor the ending of a text file.
    organism
        Whose library: ``"Human"``, ``"Mouse"``, ``"Yeast"``, ``"Fly"``, ``"Fish"`` or
        ``"Worm"``. The names of human and mouse genes are then upper case, as Enrichr has them.

    Returns
    -------
    The sets in their order, each gene once, in order of first appearance.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ConnectionError
        Enrichr was not reached, or did not answer as expected.
    ValueError
        A line has no tab, a set has no genes, a name occurs twice, there are no sets, or Enrichr
        has no library of that name.
    TypeError
        The dictionary's values are not lists of gene names.

    Examples
    --------
    >>> from tgem.enrich import read_gene_sets
    >>> read_gene_sets({"T cell": ["CD3D", "CD3E", "CD3D"]})
    {'T cell': ['CD3D', 'CD3E']}

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "sets.gmt"
    ...     _ = path.write_text("B cell\t\tCD79A\tMS4A1\t\n")
    ...     read_gene_sets(path)
    {'B cell': ['CD79A', 'MS4A1']}
    """
    if isinstance(source, Mapping):
        gene_sets, where = _from_mapping(source), "the dictionary"
    elif is_library_name(source):
        gene_sets = _from_mapping(fetch_library(str(source), organism))
        where = f"the library {source}"
    else:
        gene_sets, where = _from_gmt(Path(source)), f"the file {source}"
    if not gene_sets:
        msg = f"Expected at least one gene set but {where} has none."
        raise ValueError(msg)
    return gene_sets


def _from_mapping(source: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    gene_sets: dict[str, list[str]] = {}
    for name, genes in source.items():
        # A string is a sequence too: list("CD3E") would be four genes of one letter.
        if isinstance(genes, str) or not all(isinstance(gene, str) for gene in genes):
            msg = (
                f"Expected gene set {name!r} to be a list of gene names but found {genes!r}. "
                'Give it as {"T cell": ["CD3D", "CD3E"]}.'
            )
            raise TypeError(msg)
        gene_sets[str(name)] = _unique(genes)
    empty = [name for name, genes in gene_sets.items() if not genes]
    if empty:
        msg = (
            f"Expected every gene set to have genes but {len(empty)} of {len(gene_sets)} "
            f"have none: {listed(empty)}. Drop them with "
            "`{name: genes for name, genes in gene_sets.items() if len(genes)}`."
        )
        raise ValueError(msg)
    return gene_sets


def _from_gmt(path: Path) -> dict[str, list[str]]:
    if not path.is_file():
        msg = (
            f"Expected a GMT file but there is no file {str(path)!r}. Check the path; to fetch a "
            'library of Enrichr, give its bare name, such as "GO_Biological_Process_2021".'
        )
        raise FileNotFoundError(msg)
    gene_sets: dict[str, list[str]] = {}
    first_line: dict[str, int] = {}
    text = path.read_text(encoding="utf-8-sig")
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, genes = _parse_line(line, f"{path}, line {number}")
        if name in gene_sets:
            msg = (
                f"Expected each gene set once but {name!r} of {path}, line {number}, is already "
                f"in line {first_line[name]}. Rename or remove one of the two."
            )
            raise ValueError(msg)
        gene_sets[name], first_line[name] = genes, number
    return gene_sets


def _parse_line(line: str, where: str) -> tuple[str, list[str]]:
    """Name and genes of one GMT line."""
    fields = line.split("\t")
    if len(fields) == 1:
        msg = (
            f"Expected fields separated by tabs (name, description, genes) but {where}, has no "
            f"tab: {line[:60]!r}. Save the file with tabs instead of spaces or commas."
        )
        raise ValueError(msg)
    name, genes = fields[0].strip(), _unique(fields[2:])
    if not name:
        msg = f"Expected the name of a gene set first but {where}, starts with an empty field."
        raise ValueError(msg)
    if not genes:
        msg = (
            f"Expected genes from the third field on but the set {name!r} of {where}, has none. "
            "The second field is the description; leave it empty rather than out."
        )
        raise ValueError(msg)
    return name, genes


def _unique(genes: Sequence[str]) -> list[str]:
    stripped = (gene.strip() for gene in genes)
    return list(dict.fromkeys(gene for gene in stripped if gene))
