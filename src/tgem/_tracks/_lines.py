"""Lines of text files, plain or compressed, with the numbers that errors name."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

GZIP = b"\x1f\x8b"
HEADERS = ("#", "track", "browser")
#: What reading a damaged text file raises.
DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError)


def existing_file(path: object, what: str) -> Path:
    """Return the path of a file that exists and holds something."""
    if not isinstance(path, str | Path):
        msg = f"Expected the path of {what}, got {type(path).__name__}."
        raise TypeError(msg)
    file = Path(path).expanduser()
    if not file.is_file():
        msg = f"Expected {what} at {file}, found {'a folder' if file.is_dir() else 'nothing'}."
        raise FileNotFoundError(msg)
    if file.stat().st_size == 0:
        msg = f"Expected {what} in {file}, the file is empty."
        raise ValueError(msg)
    return file


def opened(path: Path) -> IO[str]:
    """Open a text file, compressed or not."""
    with path.open("rb") as file:
        compressed = file.read(2) == GZIP
    if compressed:
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
