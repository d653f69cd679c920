"""What all tests share, the examples in docstrings included."""

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _no_figures_left_open() -> Iterator[None]:
    """Matplotlib warns of many open figures, which the examples of the plots leave."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
