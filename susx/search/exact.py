"""Exact search of the hyper-parameters of cache methods: votes of support images, and a divergence per class.

The result is that of evaluating every point of the grid in float64; the work is one pass over the classes per
row, alpha and beta (see ``susx.search.kernel``). Query rows are taken in blocks, so memory does not grow with
query x support: affinities live only for a block.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from susx.search.kernel import LANES, count_correct
from susx.search.kernel_threads import threads_of_torch
from susx.search.layout import Layout
from susx.search.problem import Problem
from susx.search.search_grid import Grid

__all__ = ["search_cache"]

# One float64 block of query x support; blocks are few because each waits for the threads of a matrix product.
_BLOCK_BYTES = 64 << 20
_RENEW = 256  # beta steps between fresh exponentials; the product's drift by then is below 1e-13


def search_cache(
    zero_shot_logits: Float[Tensor, "query classes"],
    query: Float[Tensor, "query dim"],
    support: Float[Tensor, "support dim"],
    support_labels: Int[Tensor, " support"],
    labels: Int[Tensor, " query"],
    *,
    grid: Grid,
    divergence: Float[Tensor, "query classes"] | None = None,
    nominal: float | None = None,
    query_fold: Int[Tensor, " query"] | None = None,
    support_fold: Int[Tensor, " support"] | None = None,
) -> Int[np.ndarray, "gammas alphas betas"]:
    """Return how many rows every grid point classifies correctly.

    The logits of a point are ``z + alpha S(exp(-beta (1 - A))) - gamma D`` with A the affinities, S the weighted sum
    over a class's support rows and D the class divergences that the caller computed. Two logits less than 1e-9 apart
    are a tie, which goes to the smaller class id as in ``torch.argmax``.

    Args:
        zero_shot_logits: z, usually 100 f.W.
        query: features of the tuning rows, unit rows.
        support: features of the support rows, unit rows.
        support_labels: class ids; classes without support are legal.
        labels: class ids of the tuning rows.
        grid: the points to look at.
        divergence: D in float64; None is 0 everywhere.
        nominal: None sums over a class's support rows (published); a number takes their mean times that
            number.
        query_fold: fold of each tuning row; with ``support_fold``, a row is classified without the support
            rows of its own fold. Means are over the rows that remain.
        support_fold: fold of each support row.

    Raises:
        InputError: shapes, labels or values do not fit each other, or a tensor is empty or not finite.
        NoSupportError: there are no support rows, or none outside some fold.
    """
    problem = Problem.of(
        zero_shot_logits,
        query,
        support,
        support_labels,
        labels,
        nominal,
        query_fold,
        support_fold,
        divergence,
    )
    alphas, betas, gammas = grid.shape
    with threads_of_torch() as threads:
        changes = np.zeros((threads, betas, alphas, gammas + 1), dtype=np.int32)
        for query_rows, support_rows in problem.parts():
            _count(problem, grid, query_rows, support_rows, changes)
    counts = changes.sum(axis=0, dtype=np.int64)[:, :, :-1].cumsum(axis=2)
    return np.ascontiguousarray(counts.transpose(2, 1, 0))


def _count(
    problem: Problem,
    grid: Grid,
    query_rows: Int[np.ndarray, " part"],
    support_rows: Int[np.ndarray, " kept"],
    changes: Int[np.ndarray, "threads betas alphas starts"],
) -> None:
    """Add the rows of one fold to ``changes``."""
    layout = Layout.of(problem.support_labels[support_rows], problem.classes)
    slots = support_rows[layout.rows]
    order = np.argsort(layout.classes)
    counts = layout.counts[layout.classes]
    weights = problem.class_weights(counts)
    support = problem.support[slots].astype(np.float64)
    alphas = np.pad(grid.alphas, (0, -len(grid.alphas) % LANES), mode="edge")
    runs = even_runs(grid.betas)
    block = max(16, _BLOCK_BYTES // (8 * len(support)))
    for start in range(0, len(query_rows), block):
        rows = query_rows[start : start + block]
        divergence = np.zeros((len(rows), problem.classes))
        if problem.divergence is not None:
            divergence[:] = problem.divergence[rows][:, layout.classes]
        count_correct(
            problem.query[rows].astype(np.float64) @ support.T,
            layout.widths,
            problem.zero_shot[rows].astype(np.float64)[:, layout.classes],
            divergence,
            layout.classes,
            weights,
            order[problem.labels[rows]],
            alphas,
            grid.betas,
            runs,
            grid.gammas,
            changes,
        )


def even_runs(betas: Float[np.ndarray, " betas"], longest: int = _RENEW) -> Int[np.ndarray, "runs ends"]:
    """Cut betas into evenly spaced runs (start, end), none longer than ``longest``.

    >>> even_runs(np.array([1.0, 2.0, 3.0, 7.0])).tolist()
    [[0, 3], [3, 4]]
    """
    runs = []
    start = 0
    while start < len(betas):
        window = betas[start : start + longest]
        step = window[1] - window[0] if len(window) > 1 else 0.0
        even = np.abs(window[0] + step * np.arange(len(window)) - window) <= 1e-13 * np.maximum(1.0, window)
        length = len(window) if even.all() else int(even.argmin())
        runs.append((start, start + length))
        start += length
    return np.array(runs, dtype=np.int64)
