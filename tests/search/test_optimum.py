"""The choice among equally good grid points."""

from __future__ import annotations

import numpy as np

from susx.search import Optimum

GRID = {"gamma": (5.0, 6.0), "alpha": (1.0, 2.0), "beta": (3.0, 4.0)}


def chosen(*points):
    """Return the point chosen when only these (gamma, alpha, beta) places are best."""
    counts = np.zeros((2, 2, 2), dtype=np.int64)
    for point in points:
        counts[point] = 7
    best = Optimum.of(counts, GRID, total=10)
    assert best.correct == 7
    assert best.accuracy == 0.7
    return tuple(best.values.values())


def test_the_first_axis_decides_then_the_second():
    """Of equals the smallest gamma is taken, of those the smallest alpha, of those the smallest beta."""
    assert chosen((0, 1, 1), (1, 0, 0)) == (5.0, 2.0, 4.0)
    assert chosen((1, 1, 0), (1, 0, 1)) == (6.0, 1.0, 4.0)
    assert chosen((0, 0, 1), (0, 0, 0)) == (5.0, 1.0, 3.0)
    assert chosen((1, 1, 1)) == (6.0, 2.0, 4.0)
