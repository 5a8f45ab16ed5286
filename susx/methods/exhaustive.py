"""The search that every method has: fit and count at every point of the grid."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from susx.methods.base import Method, Run
from susx.methods.evidence import Evidence, ImageFeatures
from susx.search.optimum import Optimum

__all__ = ["folds_of", "search_exhaustively"]


def folds_of(
    evidence: Evidence, fold: Int64[Tensor, " support"] | None, rows: int
) -> Iterator[tuple[Evidence, Int64[Tensor, " part"]]]:
    """Yield what to fit on and which rows to classify by it: each fold by the rest, or all rows by everything.

    Raises:
        NoSupportError: a fold holds every support row.
    """
    if fold is None:
        yield evidence, torch.arange(rows)
        return
    for value in sorted(set(fold.tolist())):
        yield evidence.support_part(fold != value), (fold == value).nonzero()[:, 0]


def search_exhaustively(
    method: Method[Any],
    evidence: Evidence,
    query: ImageFeatures,
    labels: Int64[Tensor, " query"],
    grid: Mapping[str, tuple[float, ...]],
    fold: Int64[Tensor, " support"] | None = None,
    run: Run = Run(),
) -> Optimum:
    """Return the best point of the grid; a state is fitted once for all values that enter in the logits alone.

    Arguments as in ``Method.search``.
    """
    axes = [axis.name for axis in method.axes]
    fitted = [axis.name for axis in method.axes if axis.enters == "fit"]
    free = [name for name in axes if name not in fitted]
    counts = np.zeros([len(grid[name]) for name in axes], dtype=np.int64)
    for part, rows in folds_of(evidence, fold, len(labels)):
        asked, truth = query.take(rows), labels[rows]
        for outer in _points(grid, fitted):
            state = method.with_values(_values(grid, outer)).fit(part, run)
            for inner in _points(grid, free):
                point = outer | inner
                logits = method.with_values(_values(grid, point)).logits(state, asked)
                counts[tuple(point[name] for name in axes)] += int((logits.argmax(dim=1) == truth).sum())
    return Optimum.of(counts, {name: grid[name] for name in axes}, total=len(labels))


def _points(grid: Mapping[str, tuple[float, ...]], names: list[str]) -> Iterator[dict[str, int]]:
    """Yield the places of every combination of values of the named axes."""
    for indices in itertools.product(*(range(len(grid[name])) for name in names)):
        yield dict(zip(names, indices, strict=True))


def _values(grid: Mapping[str, tuple[float, ...]], indices: Mapping[str, int]) -> dict[str, float]:
    return {name: grid[name][at] for name, at in indices.items()}
