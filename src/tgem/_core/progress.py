"""A progress bar that stays away from work that is over in seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tqdm.auto import tqdm

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DELAY_SECONDS = 3

T = TypeVar("T")


def track(items: Iterable[T], description: str, *, delay: float = DELAY_SECONDS) -> Iterator[T]:
    """Iterate over `items`, showing progress once it has taken `delay` seconds."""
    yield from tqdm(items, desc=description, delay=delay, leave=False)
