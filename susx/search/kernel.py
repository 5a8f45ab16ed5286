"""The compiled inner loop of the exact search.

For one query row of class y and one (alpha, beta), class c is beaten at gamma when

    gamma * (m_c - m_y) > (z_c - z_y) + alpha * (a_c - a_y) + tie_c

with z the zero-shot logits, a the class sums of exp(-beta (1 - A)), m those of psi(M). Divided by (m_c - m_y)
this is a half-line of gamma, so the row is right on one interval of gamma: above the largest lower bound and
below the smallest upper bound. Bounds are linear in alpha, ``p_c + alpha * t_c``, and classes are ordered
once per row by the side they bound from, so the innermost loop is one multiply-add and one maximum per class.

From one beta to the next exp(-beta (1 - A)) is multiplied by exp(-step (1 - A)). All numbers are float64:
after 256 steps the relative error is below 1e-13, far under the tie margin.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, no_type_check

import numba
import numpy as np

__all__ = ["LANES", "TIE", "count_correct"]

TIE = 1e-9
"""Logits nearer than this are a tie, which the class with the smaller id wins, as in ``torch.argmax``."""

_TINY = 1e-30  # stands for a divergence difference of exactly 0: its bound is then +-infinity, up to scale
# Without "ninf", as infinite bounds are meant; the rest lets maxima and class sums use vector registers.
_FAST = {"nnan", "nsz", "contract", "reassoc"}
LANES = 8
"""Rivals per step of the innermost loop; alphas are padded to it as well, so that no remainder is left."""


def _compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile the function itself, and not what a check of types at run time wraps around it: numba cannot cache that."""
    return lambda function: numba.njit(**options)(inspect.unwrap(function))


@no_type_check
@_compiled(fastmath=_FAST, cache=True, nogil=True)
def _advance(state, step, widths, sums, multiply):  # type: ignore[no-untyped-def]
    """Multiply ``state`` by ``step`` (unless it is fresh) and leave its class sums in ``sums``."""
    sums[:] = 0.0
    start = 0
    for slot in range(widths.shape[0]):
        width = widths[slot]
        here, factor = state[start : start + width], step[start : start + width]
        if multiply:
            for c in range(width):
                value = here[c] * factor[c]
                here[c] = value
                sums[c] += value
        else:
            for c in range(width):
                sums[c] += here[c]
        start += width


@no_type_check
@_compiled(fastmath=_FAST, cache=True, nogil=True)
def _top(a, b):  # type: ignore[no-untyped-def]
    return a if a > b else b


@no_type_check
@_compiled(fastmath=_FAST, cache=True, nogil=True)
def _largest(p, t, start, stop, alphas, bounds):  # type: ignore[no-untyped-def]
    """Put ``max(p + alpha t)`` over [start, stop) into ``bounds`` for every alpha.

    Compilers do not turn a running maximum into vector code, but they do for a loop over alphas in which the
    maxima of eight rivals are a fixed tree.
    """
    bounds[:] = -np.inf
    for k in range(start, stop, LANES):
        p0, p1, p2, p3 = p[k], p[k + 1], p[k + 2], p[k + 3]
        p4, p5, p6, p7 = p[k + 4], p[k + 5], p[k + 6], p[k + 7]
        t0, t1, t2, t3 = t[k], t[k + 1], t[k + 2], t[k + 3]
        t4, t5, t6, t7 = t[k + 4], t[k + 5], t[k + 6], t[k + 7]
        for i in range(alphas.shape[0]):
            a = alphas[i]
            left = _top(_top(p0 + a * t0, p1 + a * t1), _top(p2 + a * t2, p3 + a * t3))
            right = _top(_top(p4 + a * t4, p5 + a * t5), _top(p6 + a * t6, p7 + a * t7))
            bounds[i] = _top(bounds[i], _top(left, right))


@no_type_check
@_compiled(cache=True, nogil=True)
def _first_above(gammas, bound, inverse_step):  # type: ignore[no-untyped-def]
    """Return how many gammas are <= ``bound``; the guess is right where they are evenly spaced."""
    count = gammas.shape[0]
    if bound < gammas[0]:
        return 0
    if bound >= gammas[count - 1]:
        return count
    index = min(int((bound - gammas[0]) * inverse_step) + 1, count - 1)
    while gammas[index - 1] > bound:
        index -= 1
    while gammas[index] <= bound:
        index += 1
    return index


@no_type_check
@_compiled(fastmath=_FAST, cache=True, nogil=True)
def _rivals(zero_shot, divergence, classes, right, order, p, q):  # type: ignore[no-untyped-def]
    """Order the rivals of one row, lower bounds first, with p = (z_c - z_y + tie) / |D| and q = 1 / |D|.

    Upper bounds are thereby negated: the smallest upper bound is minus the largest of the negated ones.
    Either side is filled up to a multiple of eight with bounds of -infinity. Returns where the second side
    starts and ends.
    """
    order[:], p[:], q[:] = right, -np.inf, 0.0
    split = end = 0
    for side in (1.0, -1.0):
        split = end = -(-end // LANES) * LANES
        for c in range(classes.shape[0]):
            difference = divergence[c] - divergence[right]
            if abs(difference) < _TINY:
                difference = _TINY
            if c != right and difference * side > 0:
                lead = zero_shot[c] - zero_shot[right] + (TIE if classes[c] < classes[right] else -TIE)
                order[end] = c
                q[end] = 1.0 / abs(difference)
                p[end] = lead * q[end]
                end += 1
    return split, end


@no_type_check
@_compiled(parallel=True, cache=True, nogil=True)
def count_correct(  # type: ignore[no-untyped-def]
    affinity, widths, zero_shot, divergence, classes, weights, right, alphas, betas, runs, gammas, changes
):
    """Add one block of rows to the counts of correct rows.

    Args:
        affinity: A, [query support] in slot order.
        widths: classes per slot.
        zero_shot, divergence: z and m, [query classes], columns in layout order.
        classes: class id of each column.
        weights: factor of each column's class sum.
        right: column of each row's class.
        alphas: padded to a multiple of eight with copies of the last.
        betas: ascending.
        runs: [runs 2], first and end of each evenly spaced run of betas.
        gammas: ascending.
        changes: [threads betas alphas gammas+1], how the count changes at each gamma; added to.
    """
    rows, total = zero_shot.shape
    support = affinity.shape[1]
    threads, alpha_count = changes.shape[0], changes.shape[2]
    last = gammas.shape[0] - 1
    inverse_step = last / (gammas[last] - gammas[0]) if last > 0 else 0.0
    for thread in numba.prange(threads):
        state, step = np.zeros(support), np.zeros(support)
        sums = np.zeros(total)
        places = total + 2 * LANES
        # Lanes beyond the last rival hold p = -inf; a slope left as memory had it (NaN, inf) would spoil that.
        p, q, slope, order = np.zeros(places), np.zeros(places), np.zeros(places), np.zeros(places, np.int64)
        low, high = np.zeros(alphas.shape[0]), np.zeros(alphas.shape[0])
        for row in range(thread * rows // threads, (thread + 1) * rows // threads):
            true_class = right[row]
            split, end = _rivals(zero_shot[row], divergence[row], classes, true_class, order, p, q)
            for run in range(runs.shape[0]):
                start, stop = runs[run, 0], runs[run, 1]
                # The last of a run is the truest measure of its step.
                width = (betas[stop - 1] - betas[start]) / max(1, stop - 1 - start)
                for j in range(support):
                    distance = affinity[row, j] - 1.0
                    state[j] = np.exp(betas[start] * distance)
                    step[j] = np.exp(width * distance)
                for b in range(start, stop):
                    _advance(state, step, widths, sums, b > start)
                    own_sum = sums[true_class] * weights[true_class]
                    for c in range(total):
                        sums[c] = sums[c] * weights[c] - own_sum
                    for k in range(end):
                        slope[k] = sums[order[k]] * q[k]
                    _largest(p, slope, 0, split, alphas, low)
                    _largest(p, slope, split, end, alphas, high)
                    for a in range(alpha_count):
                        begin = _first_above(gammas, low[a], inverse_step)
                        stop_at = _first_above(gammas, -high[a], inverse_step)
                        if begin < stop_at:
                            changes[thread, b, a, begin] += 1
                            changes[thread, b, a, stop_at] -= 1
