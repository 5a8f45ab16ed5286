"""The published grids, as the methods declare them."""

from __future__ import annotations

import numpy as np
import pytest

from susx.errors import ConfigError
from susx.methods import TipAdapter, TipX


def test_the_tip_x_grid_has_the_published_ends_and_sizes():
    """20 alphas to 47.505, 200 betas from 1 to 49.755, 50 gammas to 29.402, and 0 for both weights."""
    grid = TipX().grid("val")
    assert {name: len(values) for name, values in grid.items()} == {"gamma": 51, "alpha": 21, "beta": 200}
    assert grid["alpha"][0] == grid["gamma"][0] == 0
    ends = [
        [grid["alpha"][1], grid["alpha"][-1]],
        [grid["beta"][0], grid["beta"][-1]],
        [grid["gamma"][1], grid["gamma"][-1]],
    ]
    assert np.allclose(ends, [[0.1, 47.505], [1, 49.755], [0.1, 29.402]], atol=1e-12)


def test_tip_adapter_scales_differ_by_data_set():
    """Data sets of the paper have scales of their own, any other gets TIP-X's."""
    grid = TipAdapter().grid("val", "sun397")
    assert np.allclose(grid["beta"][-1], 0.1 + 199 * 11.9 / 200)
    assert np.allclose(grid["alpha"][-1], 0.1 + 19 * 9.9 / 20)
    other = TipAdapter().grid("val", "fabrics")
    assert other == {name: TipX().grid("val")[name] for name in ("alpha", "beta")}


def test_a_protocol_without_a_grid_is_refused():
    """The axis and its grids are named."""
    with pytest.raises(ConfigError, match=r"no grid of alpha .* 'shots'"):
        TipAdapter().grid("shots")
