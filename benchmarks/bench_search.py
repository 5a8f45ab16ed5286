"""Our exact search of the published TIP-X grid against the published loop over its 200,000 points."""

from __future__ import annotations

from typing import Any

import numba
import torch
from inputs import Inputs, features, published_grid
from published import grid_points, lean_grid_points
from timing import best_of, in_new_process, side_by_side

from susx.methods.functional.kl import kl_divergence

BASE = (500, 2000, 100)
GROWTH = [
    (250, 2000, 100),
    BASE,
    (1000, 2000, 100),
    (500, 1000, 100),
    (500, 4000, 100),
    (500, 2000, 50),
    (500, 2000, 200),
]
IMAGENET = (50_000, 16_000, 1_000)
SCALED_IMAGENET = (1_000, 16_000, 1_000)


def against_published(name: str, repeats: int, pairs: int) -> dict[str, Any]:
    """Time both on one data set; the published loop on ``pairs`` (alpha, beta) pairs, all gammas, scaled."""
    data = features(name)
    grid = published_grid()
    search = lambda: data.search(grid)  # noqa: E731
    scale, offset = data.psi()
    divergence = (
        scale * kl_divergence(data.log_signature(data.query), data.log_signature(data.support)) + offset
    )
    one_hot = torch.nn.functional.one_hot(data.support_labels, len(data.text)).float()
    places = [
        (a * 20 // pairs, b * 200 // pairs) for a, b in zip(range(pairs), reversed(range(pairs)), strict=True)
    ]
    points = [(grid["alpha"][a], grid["beta"][b]) for a, b in places]
    fixed = (data.query, data.text, data.support, divergence, one_hot, data.labels)
    gammas = list(grid["gamma"])
    (ours, processor, best), (slice_wall, slice_processor, counts) = side_by_side(
        repeats, search, lambda: grid_points(*fixed, points, gammas)
    )
    lean_wall = best_of(3, lambda: lean_grid_points(*fixed, points, gammas))[0]
    whole = len(grid["alpha"]) * len(grid["beta"]) / pairs
    exact = in_double(data, divergence, one_hot, points, gammas)
    our_counts = [[int(best.counts[g, a, b]) for g in range(len(gammas))] for a, b in places]
    apart = [
        _largest(one, other) for one, other in ((our_counts, counts), (our_counts, exact), (counts, exact))
    ]
    return {
        "data": f"{name} ({data.source})",
        "queries x support x classes": f"{len(data.query)} x {len(data.support)} x {len(data.text)}",
        "published s": round(slice_wall * whole, 1),
        "slice": f"{pairs * 50} of 200000 points in {slice_wall:.2f} s",
        "ours s": round(ours, 4),
        "ratio": round(slice_wall * whole / ours),
        "ratio of processor time": round(slice_processor * whole / processor),
        "ratio to a leaner loop": round(lean_wall * whole / ours),
        "best accuracy": round(best.accuracy, 6),
        "at": ", ".join(f"{name} {value:g}" for name, value in best.values.items()),
        "largest difference in rows": apart[0],
        "ours from all in float64": apart[1],
        "published from all in float64": apart[2],
    }


def in_double(
    data: Inputs,
    divergence: torch.Tensor,
    one_hot: torch.Tensor,
    points: list[tuple[float, float]],
    gammas: list[float],
) -> list[list[int]]:
    """Return the correct rows of each point with every product in float64: which of two counts is nearer to what the formula says.

    ``search`` evaluates its points in float64 too, but is given zero-shot logits in float32, as methods predict with them.
    """
    query, text, support = data.query.double(), data.text.double(), data.support.double()
    affinity, zero_shot, hot = query @ support.T, 100 * query @ text.T, one_hot.double()
    summed = divergence.double() @ hot
    found = []
    for alpha, beta in points:
        fixed = zero_shot + alpha * ((-beta * (1 - affinity)).exp() @ hot)
        found.append([int(((fixed - gamma * summed).argmax(1) == data.labels).sum()) for gamma in gammas])
    return found


def _largest(one: list[list[int]], other: list[list[int]]) -> int:
    return max(
        abs(a - b) for row, beside in zip(one, other, strict=True) for a, b in zip(row, beside, strict=True)
    )


def run(quick: bool) -> dict[str, Any]:
    """Return the tables; ``quick`` takes fewer repeats and 1,000 of ImageNet's 50,000 rows."""
    repeats, pairs = (6, 4) if quick else (15, 10)
    published = [against_published(name, repeats, pairs) for name in ("dtd", "sun397")]
    growth = [in_new_process("one_search.py", *map(str, size)) for size in GROWTH]
    large = in_new_process("one_search.py", *map(str, SCALED_IMAGENET if quick else IMAGENET))
    return {
        "threads": {"numba": numba.get_num_threads(), "torch": torch.get_num_threads()},
        "tables": [
            {"title": "TIP-X search, published grid of 20 x 200 x 50", "rows": published},
            {"title": "Growth of one search over queries, support and classes (synthetic)", "rows": growth},
            {"title": "ImageNet size" + (", 1 row in 50" if quick else "") + " (synthetic)", "rows": [large]},
        ],
    }
