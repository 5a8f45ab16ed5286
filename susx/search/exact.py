"""Exact search of the TIP-X and Tip-Adapter hyper-parameters.

The result is that of evaluating every point of the grid in float64; the work is one pass over the classes per
row, alpha and beta (see ``susx.search.kernel``). Query rows are taken in blocks, so memory does not grow with
query x support: affinities live only for a block, and divergences are never formed per support row, because
psi is affine and a class sum of divergences is one product of the row's signature with the class's summed
log-signatures.
"""

from __future__ import annotations

import numba
import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from susx.search.grid import Grid
from susx.search.kernel import LANES, count_correct
from susx.search.layout import Layout
from susx.search.optimum import Optimum
from susx.search.problem import Problem

__all__ = ["search_tip_adapter", "search_tip_x"]

# One float64 block of query x support; blocks are few because each waits for the threads of a matrix product.
_BLOCK_BYTES = 64 << 20
_RENEW = 256  # beta steps between fresh exponentials; the product's drift by then is below 1e-13


def search_tip_x(
    zero_shot_logits: Float[Tensor, "query classes"],
    query: Float[Tensor, "query dim"],
    support: Float[Tensor, "support dim"],
    query_log_signature: Float[Tensor, "query prompts"],
    support_log_signature: Float[Tensor, "support prompts"],
    support_labels: Int[Tensor, " support"],
    labels: Int[Tensor, " query"],
    *,
    psi: tuple[float, float],
    grid: Grid,
    nominal: float | None = None,
    empty_as_mean: bool = True,
    query_fold: Int[Tensor, " query"] | None = None,
    support_fold: Int[Tensor, " support"] | None = None,
) -> Optimum:
    """Return the grid point at which TIP-X classifies most rows correctly.

    The logits of a point are ``z + alpha S(exp(-beta (1 - A))) - gamma S(psi(M))`` with A the affinities, M
    the divergences and S the sum over a class's support rows. Two logits less than 1e-9 apart are a tie,
    which goes to the smaller class id as in ``torch.argmax``. Of points with equally many correct rows the
    one with the smallest gamma is returned, among those the smallest alpha, then the smallest beta.

    Args:
        zero_shot_logits: z, usually 100 f.W.
        query: features of the tuning rows, unit rows.
        support: features of the support rows, unit rows.
        query_log_signature: log-softmax of similarities over temperature.
        support_log_signature: the same for the support rows.
        support_labels: class ids; classes without support are legal.
        labels: class ids of the tuning rows.
        psi: (scale, offset) of the rescaling ``psi(M) = scale * M + offset``.
        grid: the points to look at.
        nominal: None sums over a class's support rows (published); a number takes their mean times that
            number.
        empty_as_mean: give a class without support the mean divergence of the classes that have some, as
            ``TipX`` does; False gives it none (published), which favours it more the larger gamma is.
        query_fold: fold of each tuning row; with ``support_fold``, a row is classified without the support
            rows of its own fold. Means are over the rows that remain.
        support_fold: fold of each support row.

    Raises:
        InputError: shapes, labels or values do not fit each other, or a tensor is empty or not finite.
        NoSupportError: there are no support rows, or none outside some fold.
    """
    problem = Problem.of(
        zero_shot_logits, query, support, support_labels, labels, nominal, query_fold, support_fold,
        signatures=(query_log_signature, support_log_signature),
    )  # fmt: skip
    return _search(problem, grid, psi, empty_as_mean)


def search_tip_adapter(
    zero_shot_logits: Float[Tensor, "query classes"],
    query: Float[Tensor, "query dim"],
    support: Float[Tensor, "support dim"],
    support_labels: Int[Tensor, " support"],
    labels: Int[Tensor, " query"],
    *,
    grid: Grid,
    nominal: float | None = None,
    query_fold: Int[Tensor, " query"] | None = None,
    support_fold: Int[Tensor, " support"] | None = None,
) -> Optimum:
    """Return the grid point at which Tip-Adapter classifies most rows correctly.

    As ``search_tip_x`` without the divergence: the logits are ``z + alpha S(exp(-beta (1 - A)))``. The grid's
    gammas are not used; the optimum's gamma is 0.

    Raises:
        InputError: as ``search_tip_x``.
        NoSupportError: as ``search_tip_x``.
    """
    problem = Problem.of(
        zero_shot_logits, query, support, support_labels, labels, nominal, query_fold, support_fold
    )
    return _search(problem, Grid(grid.alphas, grid.betas, np.zeros(1)), (0.0, 0.0), False)


def _search(problem: Problem, grid: Grid, psi: tuple[float, float], empty_as_mean: bool) -> Optimum:
    alphas, betas, gammas = grid.shape
    changes = np.zeros((numba.get_num_threads(), betas, alphas, gammas + 1), dtype=np.int32)
    for query_rows, support_rows in problem.parts():
        _count(problem, grid, psi, empty_as_mean, query_rows, support_rows, changes)
    counts = changes.sum(axis=0, dtype=np.int64)[:, :, :-1].cumsum(axis=2).transpose(1, 0, 2)
    return Optimum.of(np.ascontiguousarray(counts), grid, total=len(problem.labels))


def _count(
    problem: Problem,
    grid: Grid,
    psi: tuple[float, float],
    empty_as_mean: bool,
    query_rows: Int[np.ndarray, " part"],
    support_rows: Int[np.ndarray, " kept"],
    changes: Int[np.ndarray, "threads betas alphas starts"],
) -> None:
    """Add the rows of one fold to ``changes``."""
    layout = Layout.of(problem.support_labels[support_rows], problem.classes)
    slots = support_rows[layout.rows]
    place = np.argsort(layout.classes)
    counts = layout.counts[layout.classes]
    held = int((counts > 0).sum())  # layout order puts the classes without support last
    weights = problem.class_weights(counts)
    support = problem.support[slots].astype(np.float64)
    sums = problem.signature_sums(slots, place[problem.support_labels[slots]])
    alphas = np.pad(grid.alphas, (0, -len(grid.alphas) % LANES), mode="edge")
    runs = even_runs(grid.betas)
    block = max(16, _BLOCK_BYTES // (8 * len(support)))
    for start in range(0, len(query_rows), block):
        rows = query_rows[start : start + block]
        divergence = (psi[0] * problem.divergence_sums(rows, sums, counts) + psi[1] * counts) * weights
        if empty_as_mean and held < len(counts):
            divergence[:, held:] = divergence[:, :held].mean(axis=1, keepdims=True)
        count_correct(
            problem.query[rows].astype(np.float64) @ support.T,
            layout.widths,
            problem.zero_shot[rows].astype(np.float64)[:, layout.classes],
            divergence,
            layout.classes,
            weights,
            place[problem.labels[rows]],
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
