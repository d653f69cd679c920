"""Gene-set libraries of Enrichr, fetched by name."""

from __future__ import annotations

from pathlib import Path

#: A text with one of these endings, or with a folder in it, means a file.
_FILE_ENDINGS = {".gmt", ".txt", ".tsv", ".csv", ".gz", ".json"}
_OFFLINE = (
    'Offline, give the path of a GMT file or a dictionary such as {"T cell": ["CD3D", "CD3E"]}.'
)


def is_library_name(source: object) -> bool:
    """Whether a source of gene sets can only be the name of a library."""
    if not isinstance(source, str) or not source.strip() or Path(source).is_file():
        return False
    has_folder = "/" in source or "\\" in source
    return not has_folder and Path(source).suffix.lower() not in _FILE_ENDINGS


def fetch_library(name: str, organism: str) -> dict[str, list[str]]:
    """Fetch a library from Enrichr; its sets are not filtered by size."""
    import gseapy  # noqa: PLC0415 - takes a second to import

    try:
        gene_sets: dict[str, list[str]] = gseapy.get_library(
            name, organism=organism, min_size=1, max_size=10**9
        )
    except OSError as error:
        msg = (
            f"Expected to fetch the gene sets {name!r} ({organism}) from Enrichr, as there is no "
            f"file of this name, but the server was not reached ({type(error).__name__}). "
            f"{_OFFLINE}"
        )
        raise ConnectionError(msg) from error
    except ValueError as error:
        msg = (
            f"Expected a GMT file or the name of an Enrichr library for {organism}, but {name!r} "
            f"is neither ({error}). See `gseapy.get_library_name(organism={organism!r})`. "
            f"{_OFFLINE}"
        )
        raise ValueError(msg) from error
    except Exception as error:  # what gseapy raises where the server refuses
        msg = (
            f"Expected Enrichr to answer with the gene sets {name!r} ({organism}), but its answer "
            f"could not be used ({type(error).__name__}: {error}). {_OFFLINE}"
        )
        raise ConnectionError(msg) from error
    return gene_sets
