"""Finding the quantification file of each sample, and the sample's name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from tgem._core.errors import listed

Samples: TypeAlias = str | Path | Sequence[str | Path] | Mapping[str, str | Path]

# file names that the tools give, in the order in which they are looked for
STANDARD_NAMES = {
    "salmon": ("quant.sf", "quant.sf.gz"),
    "kallisto": ("abundance.tsv", "abundance.tsv.gz", "abundance.h5"),
}
RSEM_ENDINGS = (".isoforms.results", ".isoforms.results.gz")
# in file names that users gave: sample1.quant.sf, sample1_abundance.tsv
_OTHER_ENDINGS = (".gz", ".h5", ".tsv", ".txt", ".sf", ".quant", "_quant", ".abundance")


class SampleFile(NamedTuple):
    """One sample.

    Attributes
    ----------
    name
        Name of the sample.
    path
        Its quantification file.
    """

    name: str
    path: Path


def find_sample_files(samples: Samples, tool: str) -> list[SampleFile]:
    """Return the file of each sample, in the order given or, within a folder, by name."""
    given: Any = samples  # users may pass what the types do not allow
    if isinstance(samples, Mapping):
        found = [SampleFile(str(name), _only_file(path, tool)) for name, path in samples.items()]
    elif isinstance(samples, str | Path):
        path = _existing(samples)
        found = [_named(path)] if path.is_file() else _in_folder(path, tool)
    elif not isinstance(given, Iterable):
        msg = (
            "Expected `samples` to be a folder, a list of folders or files, or a dictionary from "
            f"sample to file, got {type(samples).__name__}."
        )
        raise TypeError(msg)
    else:
        paths = [_existing(path) for path in samples]
        found = [
            each
            for path in paths
            for each in ([_named(path)] if path.is_file() else _in_folder(path, tool))
        ]
    if not found:
        msg = "Expected at least one sample in `samples`, got none."
        raise ValueError(msg)
    _check_names(found)
    return found


def _existing(path: str | Path) -> Path:
    place = Path(path).expanduser()
    if not place.exists():
        msg = f"Expected a quantification file or folder at {place}, found nothing."
        raise FileNotFoundError(msg)
    return place


def _only_file(path: str | Path, tool: str) -> Path:
    place = _existing(path)
    if place.is_file():
        return place
    files = _in_folder(place, tool)
    if len(files) > 1:
        msg = (
            f"Expected one sample in {place}, found {len(files)}: "
            f"{listed([file.path.name for file in files])}. Name each file, or pass the folder "
            "alone to read them all."
        )
        raise ValueError(msg)
    return files[0].path


def _in_folder(folder: Path, tool: str) -> list[SampleFile]:
    """The folder's own samples, or else those of its subfolders."""
    found = _directly_in(folder, tool)
    if not found:
        subfolders = sorted(path for path in folder.iterdir() if path.is_dir())
        found = [each for subfolder in subfolders for each in _directly_in(subfolder, tool)]
    if not found:
        wanted = [
            *(name for names in STANDARD_NAMES.values() for name in names),
            "*.isoforms.results",
        ]
        inside = sorted(path.name for path in folder.iterdir())
        msg = (
            f"Expected {listed(wanted, 9)} in {folder} or its subfolders"
            f"{'' if tool == 'auto' else f', from {tool}'}; found {listed(inside) or 'nothing'}."
        )
        raise FileNotFoundError(msg)
    return found


def _directly_in(folder: Path, tool: str) -> list[SampleFile]:
    by_tool: dict[str, list[SampleFile]] = {}
    for name, files in STANDARD_NAMES.items():
        file = next((folder / each for each in files if (folder / each).is_file()), None)
        if file is not None and tool in ("auto", name):
            by_tool[name] = [_named(file)]
    if tool in ("auto", "rsem"):
        rsem = [path for path in sorted(folder.iterdir()) if path.name.endswith(RSEM_ENDINGS)]
        if rsem:
            by_tool["rsem"] = [_named(path) for path in rsem]
    if len(by_tool) > 1:
        msg = (
            f"Expected the output of one tool in {folder}, found that of {listed(by_tool)}. "
            "Choose with `tool=...`."
        )
        raise ValueError(msg)
    return next(iter(by_tool.values()), [])


def _named(path: Path) -> SampleFile:
    """Name a sample after its folder, or after its file where that is not the tool's own name."""
    if any(path.name in names for names in STANDARD_NAMES.values()):
        return SampleFile(path.absolute().parent.name, path)
    name = path.name
    for ending in RSEM_ENDINGS:
        if name.endswith(ending):
            return SampleFile(name.removesuffix(ending), path)
    for ending in _OTHER_ENDINGS:
        name = name.removesuffix(ending)
    return SampleFile(name, path)


def _check_names(files: list[SampleFile]) -> None:
    first: dict[str, Path] = {}
    for name, path in files:
        if name in first:
            msg = (
                f"Expected different names of samples, found {name!r} for {first[name]} and "
                f"{path}. Name them: `samples={{'name': path, ...}}`."
            )
            raise ValueError(msg)
        first[name] = path
