"""What a search returns: the best point of a grid, and how many rows every point gets right."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int

from susx.search.grid import Grid

__all__ = ["Optimum"]


@dataclass(frozen=True)
class Optimum:
    """The grid point with the most correct rows; of equals, the smallest gamma, then alpha, then beta.

    Attributes:
        alpha, beta, gamma: the point.
        correct: rows it classifies correctly.
        total: rows looked at.
        grid: the grid searched.
        counts: correct rows at every point of the grid, for a caller with another rule of choice.
    """

    alpha: float
    beta: float
    gamma: float
    correct: int
    total: int
    grid: Grid = field(repr=False, compare=False)
    counts: Int[np.ndarray, "alphas betas gammas"] = field(repr=False, compare=False)

    @property
    def accuracy(self) -> float:
        """Share of correct rows, 0 to 1."""
        return self.correct / self.total

    @classmethod
    def of(cls, counts: Int[np.ndarray, "alphas betas gammas"], grid: Grid, total: int) -> Optimum:
        """Return the best point of ``counts``; of equals the smallest gamma, then alpha, then beta."""
        # argmax takes the first of equals, so the slowest axis is the one whose smallest value wins first.
        first = int(counts.transpose(2, 0, 1).argmax())
        g, a, b = np.unravel_index(first, (counts.shape[2], counts.shape[0], counts.shape[1]))
        return cls(
            alpha=float(grid.alphas[a]),
            beta=float(grid.betas[b]),
            gamma=float(grid.gammas[g]),
            correct=int(counts[a, b, g]),
            total=total,
            grid=grid,
            counts=counts,
        )
