"""What each part of a method is worth: the plane of its weights, the size of the support set, each term.

These look at labelled test images after every choice was made. They describe; nothing may be chosen from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from susx.errors import InputError
from susx.evaluation.interval import bootstrap_interval
from susx.evaluation.measure import Score, measure
from susx.evaluation.scores import top_k_correct
from susx.methods.base import Method
from susx.methods.evidence import Evidence, ImageFeatures
from susx.seeds import derive_seed

__all__ = [
    "AccuracyCurve",
    "AccuracyPlane",
    "MethodFactory",
    "accuracy_plane",
    "support_size_curve",
    "take_shots",
    "term_ablation",
]

MethodFactory: TypeAlias = Callable[[Evidence], Method[Any]]
"""Chooses hyper-parameters on the evidence (tuning) or ignores it (fixed), and returns the method."""


@dataclass(frozen=True)
class AccuracyPlane:
    """Top-1 at every pair: ``values[i][j]`` belongs to ``ys[i]`` of axis ``y`` and ``xs[j]`` of axis ``x``."""

    x: str
    y: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class AccuracyCurve:
    """Top-1 over the number of support images per class.

    ``low`` and ``high`` are the least and greatest of the repeats, or the 95 % interval when there is only one.
    """

    sizes: tuple[int, ...]
    top1: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def accuracy_plane(
    method: Method[Any],
    evidence: Evidence,
    query: ImageFeatures,
    labels: Int64[Tensor, " query"],
    across: tuple[str, Sequence[float]],
    upwards: tuple[str, Sequence[float]],
) -> AccuracyPlane:
    """Return top-1 of ``method`` at every pair of values of two of its axes.

    Logits are mostly affine in the weights of terms, so three evaluations give the plane; a fourth, at the far corner,
    checks that this holds for the method at hand, and if not every pair is evaluated.

    Raises:
        InputError: the method has no such axis, or a list is empty.
    """
    missing = {across[0], upwards[0]} - set(method.values())
    if missing or not across[1] or not upwards[1]:
        raise InputError(
            f"A plane needs values of two axes of the method; {method.name} lacks {', '.join(sorted(missing)) or 'values'}."
        )

    def at(x: float, y: float) -> Tensor:
        changed = method.with_values({across[0]: x, upwards[0]: y})
        logits: Tensor = changed.logits(changed.fit(evidence), query)
        return logits.double()

    far_x, far_y = max(across[1]) or 1.0, max(upwards[1]) or 1.0
    origin = at(0.0, 0.0)
    by_x, by_y = (at(far_x, 0.0) - origin) / far_x, (at(0.0, far_y) - origin) / far_y
    corner = at(far_x, far_y)
    guess = origin + far_x * by_x + far_y * by_y
    affine = bool((corner - guess).abs().max() <= 1e-4 * (1 + corner.abs().max()))

    def top1(x: float, y: float) -> float:
        logits = origin + x * by_x + y * by_y if affine else at(x, y)
        return float((logits.argmax(dim=1) == labels).double().mean())

    values = tuple(tuple(top1(x, y) for x in across[1]) for y in upwards[1])
    return AccuracyPlane(across[0], upwards[0], tuple(across[1]), tuple(upwards[1]), values)


def term_ablation(
    method: Method[Any], evidence: Evidence, query: ImageFeatures, labels: Int64[Tensor, " query"]
) -> Mapping[str, Score]:
    """Score a method as it is and without each of its terms (the term's weight 0, everything else as it is)."""
    variants = {"all terms": method}
    for axis in method.axes:
        if axis.term:
            variants[f"without {axis.term}"] = method.with_values({axis.name: 0.0})
    return {name: measure(m.logits(m.fit(evidence), query), labels) for name, m in variants.items()}


def support_size_curve(
    make: MethodFactory,
    evidence: Evidence,
    query: ImageFeatures,
    labels: Int64[Tensor, " query"],
    sizes: Sequence[int] = (1, 2, 4, 8, 16),
    repeats: int = 3,
    seed: int = 0,
) -> AccuracyCurve:
    """Return top-1 with ``size`` support images per class, tuned anew at each size.

    With labelled images of the target as support this is the few-shot curve. A class with fewer images gives all it
    has; a size that no class reaches is left out. Where every class gives all it has, one repeat is enough.

    Raises:
        InputError: a size or number of repeats below 1.
        NoSupportError: there is no support.
    """
    if repeats < 1 or min(sizes, default=0) < 1:
        raise InputError(f"Sizes and repeats must be at least 1, found {tuple(sizes)} and {repeats}.")
    _, support_labels = evidence.support("A support curve")
    counts = torch.bincount(support_labels)
    largest, smallest = int(counts.max()), int(counts[counts > 0].min())
    top1, low, high = [], [], []
    used = tuple(size for size in sizes if size <= largest)
    for size in used:
        alike = size >= largest == smallest
        points = []
        for repeat in range(1 if alike else repeats):
            part = take_shots(evidence, size, derive_seed(seed, "shots", size, repeat))
            method = make(part)
            points.append(_top_1(method.logits(method.fit(part), query), labels))
        shares = [share for share, _ in points]
        top1.append(sum(shares) / len(shares))
        low.append(min(shares) if len(points) > 1 else points[0][1][0])
        high.append(max(shares) if len(points) > 1 else points[0][1][1])
    return AccuracyCurve(used, tuple(top1), tuple(low), tuple(high))


def _top_1(
    logits: Float[Tensor, "query classes"], labels: Int64[Tensor, " query"]
) -> tuple[float, tuple[float, float]]:
    right = int(top_k_correct(logits, labels, 1).sum())
    return right / len(labels), bootstrap_interval(right, len(labels))


def take_shots(evidence: Evidence, size: int, seed: int) -> Evidence:
    """Return the evidence with at most ``size`` support images per class, drawn by ``seed``, in their order."""
    _, labels = evidence.support("Taking shots")
    kept = []
    for label in torch.bincount(labels).nonzero()[:, 0].tolist():
        rows = (labels == label).nonzero()[:, 0]
        generator = torch.Generator().manual_seed(derive_seed(seed, label))
        kept.append(rows[torch.randperm(len(rows), generator=generator)[:size]])
    keep = torch.zeros(len(labels), dtype=torch.bool)
    keep[torch.cat(kept)] = True
    return evidence.support_part(keep)
