"""What a search returns: the best point of a grid, and how many rows every point gets right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int

__all__ = ["Optimum"]


@dataclass(frozen=True)
class Optimum:
    """The grid point with the most correct rows; of equals, the smallest of the first axis, then of the second ...

    Attributes:
        values: axis -> value at the point.
        correct: rows it classifies correctly.
        total: rows looked at.
        grid: axis -> values searched, in the order of the dimensions of ``counts``.
        counts: correct rows at every point of the grid, for a caller with another rule of choice.
    """

    values: Mapping[str, float]
    correct: int
    total: int
    grid: Mapping[str, tuple[float, ...]] = field(repr=False, compare=False)
    counts: Int[np.ndarray, ...] = field(repr=False, compare=False)

    @property
    def accuracy(self) -> float:
        """Share of correct rows, 0 to 1."""
        return self.correct / self.total

    @classmethod
    def of(cls, counts: Int[np.ndarray, ...], grid: Mapping[str, tuple[float, ...]], total: int) -> Optimum:
        """Return the best point of ``counts``, whose dimensions are the axes of ``grid`` in its order."""
        # argmax takes the first of equals, so the slowest axis is the one whose smallest value wins first.
        indices = np.unravel_index(int(counts.argmax()), counts.shape)
        values = {name: float(grid[name][at]) for name, at in zip(grid, indices, strict=True)}
        return cls(values, int(counts[indices]), total, grid, counts)
