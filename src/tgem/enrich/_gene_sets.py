"""Read gene sets from a dictionary or a GMT file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tgem._core.errors import listed


def read_gene_sets(source: Mapping[str, Sequence[str]] | str | Path) -> dict[str, list[str]]:
    r"""Read named sets of genes from a dictionary or a GMT file.

    A GMT file (the format of MSigDB) has one set a line, separated by tabs: name,
    description (may be empty), then the genes. Blank lines, empty trailing fields and
    repeated genes do no harm.

    Parameters
    ----------
    source
        Dictionary from the name of a set to its genes, or the path of a GMT file.

    Returns
    -------
    The sets in their order, each gene once, in order of first appearance.

    Raises
    ------
    FileNotFoundError
        There is no such file. Names of online libraries are not looked up.
    ValueError
        A line has no tab, a set has no genes, a name occurs twice, or there are no sets.
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
    gene_sets = _from_mapping(source) if isinstance(source, Mapping) else _from_gmt(Path(source))
    if not gene_sets:
        where = "the dictionary" if isinstance(source, Mapping) else f"the file {source}"
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
            f"Expected a GMT file but there is no file {str(path)!r}. Online libraries are not "
            "looked up by name: download one with `gseapy.get_library(name)` and pass the "
            "dictionary it returns."
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
