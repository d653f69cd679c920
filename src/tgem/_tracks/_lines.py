"""Lines of text files, plain or compressed, with the numbers that errors name."""

from __future__ import annotations

import gzip
import zlib
from typing import IO, TYPE_CHECKING

from tgem._core.files import is_gzipped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADERS = ("#", "track", "browser")
#: What reading a damaged text file raises.
DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError)


def opened(path: Path) -> IO[str]:
    """Open a text file, compressed or not."""
    if is_gzipped(path):
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def is_header(line: str) -> bool:
    """Tell a comment, ``track`` or ``browser`` line, or an empty one."""
    fields = line.split(maxsplit=1)
    return not fields or fields[0].startswith("#") or fields[0] in HEADERS


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, from 1; raises where a damaged file ends."""
    number = 0
    with opened(path) as file:
        try:
            for number, line in enumerate(file, start=1):
                yield number, line.rstrip("\r\n")
        except DAMAGED as error:
            msg = (
                f"{path}: could not be read beyond line {number}: the file is truncated or damaged "
                f"({error}). Copy or download it again."
            )
            raise ValueError(msg) from error


def header_length(path: Path) -> int:
    """Lines before the first line of data."""
    for number, line in numbered_lines(path):
        if not is_header(line):
            return number - 1
    msg = f"{path}: expected lines of data, found comments and empty lines only."
    raise ValueError(msg)


def first_fields(path: Path) -> list[str]:
    """Fields of the first line of data."""
    skipped = header_length(path)
    line = next(line for number, line in numbered_lines(path) if number > skipped)
    return line.split()
