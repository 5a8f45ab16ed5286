"""The grids of the papers and what a grid refuses."""

from __future__ import annotations

import numpy as np
import pytest

from susx.errors import ConfigError
from susx.search import Grid


def test_the_tip_x_grid_has_the_published_ends_and_sizes():
    """20 alphas to 47.505, 200 betas from 1 to 49.755, 50 gammas to 29.402."""
    grid = Grid.tip_x()
    assert grid.shape == (20, 200, 50)
    ends = [values[[0, -1]].tolist() for values in (grid.alphas, grid.betas, grid.gammas)]
    assert np.allclose(ends, [[0.1, 47.505], [1, 49.755], [0.1, 29.402]], atol=1e-12)


def test_tip_adapter_scales_differ_by_data_set():
    """The beta scale comes first and the alpha scale second; gamma is 0."""
    grid = Grid.tip_adapter("sun397")
    assert grid.shape == (20, 200, 1)
    assert np.allclose(grid.betas[-1], 0.1 + 199 * 11.9 / 200)
    assert np.allclose(grid.alphas[-1], 0.1 + 19 * 9.9 / 20)
    with pytest.raises(ConfigError, match="Did you mean 'sun397'"):
        Grid.tip_adapter("sun39")


def test_zero_can_be_put_into_a_grid_once():
    """With zero the grid holds zero-shot; asking again changes nothing, and betas stay."""
    grid = Grid.tip_x(with_zero=True)
    assert grid.shape == (21, 200, 51)
    assert grid.alphas[0] == grid.gammas[0] == 0
    assert grid.including_zero().shape == grid.shape
    assert Grid.tip_adapter("dtd", with_zero=True).shape == (21, 200, 1)


@pytest.mark.parametrize("bad", [[], [1.0, 1.0], [2.0, 1.0], [-0.1, 1.0], [0.0, float("nan")], [[1.0]]])
def test_a_list_that_is_no_grid_is_refused(bad):
    """Empty, repeated, falling, negative, infinite or nested values are refused by the name of the list."""
    good = np.ones(1)
    with pytest.raises(ConfigError, match="gammas"):
        Grid(good, good, np.array(bad))
