"""The grids of the papers and what a grid refuses."""

from __future__ import annotations

import numpy as np
import pytest

from susx.errors import ConfigError
from susx.search import Grid


@pytest.mark.untyped
@pytest.mark.parametrize("bad", [[], [1.0, 1.0], [2.0, 1.0], [-0.1, 1.0], [0.0, float("nan")], [[1.0]]])
def test_a_list_that_is_no_grid_is_refused(bad):
    """Empty, repeated, falling, negative, infinite or nested values are refused by the name of the list."""
    good = np.ones(1)
    with pytest.raises(ConfigError, match="gammas"):
        Grid(good, good, np.array(bad))
