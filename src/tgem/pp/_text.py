"""Text files, plain or gzipped, read with errors that name the file and the line."""

from __future__ import annotations

import gzip
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from tgem._core.files import is_gzipped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def compression_of(file: Path) -> str | None:
    """How pandas should unpack a file: browsers unpack files and leave ``.gz`` in their names."""
    return "gzip" if is_gzipped(file) else None


@contextmanager
def open_text(file: Path) -> Iterator[IO[str]]:
    """Open a file as text; damage is reported as an error of the file."""
    with broken_file_named(file):
        if is_gzipped(file):
            with gzip.open(file, "rt", encoding="utf-8", errors="replace") as handle:
                yield handle
        else:
            with file.open(encoding="utf-8", errors="replace") as handle:
                yield handle


@contextmanager
def broken_file_named(file: Path) -> Iterator[None]:
    """Name the file in what gzip says about damage."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        msg = (
            f"Expected a whole gzip file, and {file} is cut off or damaged ({error}). Compare its "
            "size with the source's, and copy or download it again."
        )
        raise ValueError(msg) from error


def first_line(file: Path) -> str:
    """Return the first line of a file, without its end."""
    with open_text(file) as handle:
        return handle.readline().rstrip("\r\n")
