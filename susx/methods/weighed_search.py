"""The search of methods whose logits are a fixed part and a weighed one: both are made once and weighed by every value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Int64
from torch import Tensor

from susx.methods.base import Method
from susx.methods.evidence import Evidence, ImageFeatures
from susx.methods.exhaustive import folds_of
from susx.search.optimum import Optimum

__all__ = ["Terms", "search_weights"]

Terms: TypeAlias = Callable[[ImageFeatures], Iterator[tuple[Tensor, Tensor]]]
"""Of images, the fixed part and the weighed one (query x classes each) at every point of the other axes, the last axis changing first."""


def search_weights(
    method: Method[Any],
    weight: str,
    terms_of: Callable[[Evidence], Terms],
    evidence: Evidence,
    query: ImageFeatures,
    labels: Int64[Tensor, " query"],
    grid: Mapping[str, tuple[float, ...]],
    fold: Int64[Tensor, " support"] | None = None,
    *,
    block: int | None = None,
) -> Optimum:
    """Return the optimum over the grid.

    Args:
        method: whose axes are searched.
        weight: the axis that multiplies the weighed part.
        terms_of: fits on a part of the evidence and returns what its images' logits are made of.
        evidence, query, labels, grid, fold: as in ``Method.search``.
        block: images whose terms are held at once; None takes all.
    """
    axes = [axis.name for axis in method.axes]
    others = [len(grid[name]) for name in axes if name != weight]
    counts = np.zeros((*others, len(grid[weight])), dtype=np.int64)
    by_point = counts.reshape(-1, len(grid[weight]))
    for part, rows in folds_of(evidence, fold, len(labels)):
        terms = terms_of(part)
        step = block or max(1, len(rows))
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            truth = labels[some]
            for point, (fixed, weighed) in enumerate(terms(query.take(some))):
                for number, value in enumerate(grid[weight]):
                    by_point[point, number] += int(((fixed + value * weighed).argmax(dim=1) == truth).sum())
    return Optimum.of(
        np.moveaxis(counts, -1, axes.index(weight)), {name: grid[name] for name in axes}, len(labels)
    )
