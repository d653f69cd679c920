"""Files that users name: whether they are there, and whether they are compressed."""

from __future__ import annotations

from pathlib import Path


def existing_file(path: object, what: str) -> Path:
    """Return the path of a file that exists and holds something."""
    if not isinstance(path, str | Path):
        msg = f"Expected the path of {what}, got {type(path).__name__}."
        raise TypeError(msg)
    file = Path(path).expanduser()
    if not file.is_file():
        kind = "a folder" if file.is_dir() else "nothing"
        msg = f"Expected {what} at {file}, found {kind}."
        raise FileNotFoundError(msg)
    if file.stat().st_size == 0:
        msg = f"Expected {what} in {file}, found an empty file."
        raise ValueError(msg)
    return file


def is_gzipped(file: Path) -> bool:
    """Whether a file starts as gzip does, whatever its name says."""
    with file.open("rb") as handle:
        return handle.read(2) == b"\x1f\x8b"
