"""The choice among equally good grid points."""

from __future__ import annotations

import numpy as np

from susx.search import Grid, Optimum

GRID = Grid(np.array([1.0, 2.0]), np.array([3.0, 4.0]), np.array([5.0, 6.0]))


def chosen(*points):
    """Return the point chosen when only these (alpha, beta, gamma) places are best."""
    counts = np.zeros(GRID.shape, dtype=np.int64)
    for point in points:
        counts[point] = 7
    best = Optimum.of(counts, GRID, total=10)
    assert best.correct == 7
    assert best.accuracy == 0.7
    return best.alpha, best.beta, best.gamma


def test_the_smallest_gamma_wins_then_alpha_then_beta():
    """Of equals the smallest gamma is taken, of those the smallest alpha, of those the smallest beta."""
    assert chosen((1, 1, 0), (0, 0, 1)) == (2.0, 4.0, 5.0)
    assert chosen((1, 0, 1), (0, 1, 1)) == (1.0, 4.0, 6.0)
    assert chosen((0, 1, 0), (0, 0, 0)) == (1.0, 3.0, 5.0)
    assert chosen((1, 1, 1)) == (2.0, 4.0, 6.0)
