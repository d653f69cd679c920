"""Positions of cells, as users give them."""

import numpy as np
import pytest

from tgem._core.validate import cell_indices


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, [0, 1, 2, 3]),
        ([0, -1], [0, 3]),
        (np.array([True, False, True, False]), [0, 2]),
        (range(2), [0, 1]),
        ([], []),
    ],
)
def test_positions(given, expected):
    assert cell_indices(given, 4).tolist() == expected


@pytest.mark.parametrize("given", [[0.9, 1.9], ["cell0"], np.array([1.0])])
def test_positions_are_whole_numbers(given):
    with pytest.raises(TypeError, match="whole numbers"):
        cell_indices(given, 4)


@pytest.mark.parametrize("given", [[4], [-5]])
def test_positions_of_no_cell(given):
    with pytest.raises(IndexError, match="between 0 and 3"):
        cell_indices(given, 4)
