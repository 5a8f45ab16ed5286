"""What each part of a method is worth: the alpha-gamma plane, the size of the support set, the KL term.

These look at labelled test images after every choice was made. They describe; nothing may be chosen from them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from jaxtyping import Int64
from torch import Tensor

from susx.errors import InputError
from susx.evaluation.summary import Scores, score
from susx.methods.base import Method
from susx.methods.evidence import Evidence, ImageFeatures
from susx.seeds import derive_seed

__all__ = [
    "AccuracyCurve",
    "AccuracyPlane",
    "MethodFactory",
    "accuracy_plane",
    "kl_ablation",
    "support_size_curve",
    "take_shots",
]

MethodFactory: TypeAlias = Callable[[Evidence], Method[Any]]
"""Chooses hyper-parameters on the evidence (tuning) or ignores it (fixed), and returns the method."""


@dataclass(frozen=True)
class AccuracyPlane:
    """Top-1 at every pair: ``values[i][j]`` belongs to ``gammas[i]`` and ``alphas[j]``."""

    alphas: tuple[float, ...]
    gammas: tuple[float, ...]
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
    method: Any,
    evidence: Evidence,
    query: ImageFeatures,
    labels: Int64[Tensor, " query"],
    alphas: Sequence[float],
    gammas: Sequence[float],
) -> AccuracyPlane:
    """Return top-1 of ``method`` (with fields ``alpha`` and ``gamma``) at every pair of values.

    Logits of TIP-X are affine in both, so three evaluations give the plane; a fourth, at the far corner, checks that this
    holds for the method at hand, and if not every pair is evaluated.

    Raises:
        InputError: the method has no alpha or gamma, or a list is empty.
    """
    missing = {"alpha", "gamma"} - {f.name for f in dataclasses.fields(method)}
    if missing or not alphas or not gammas:
        raise InputError(
            f"A plane needs values of alpha and gamma and a method that has both; {method.name} lacks {missing or 'values'}."
        )

    def at(alpha: float, gamma: float) -> Tensor:
        changed = dataclasses.replace(method, alpha=alpha, gamma=gamma)
        logits: Tensor = changed.logits(changed.fit(evidence), query)
        return logits.double()

    far_alpha, far_gamma = max(alphas) or 1.0, max(gammas) or 1.0
    origin = at(0.0, 0.0)
    by_alpha, by_gamma = (at(far_alpha, 0.0) - origin) / far_alpha, (at(0.0, far_gamma) - origin) / far_gamma
    corner = at(far_alpha, far_gamma)
    guess = origin + far_alpha * by_alpha + far_gamma * by_gamma
    affine = bool((corner - guess).abs().max() <= 1e-4 * (1 + corner.abs().max()))

    def top1(alpha: float, gamma: float) -> float:
        logits = origin + alpha * by_alpha + gamma * by_gamma if affine else at(alpha, gamma)
        return float((logits.argmax(dim=1) == labels).double().mean())

    values = tuple(tuple(top1(alpha, gamma) for alpha in alphas) for gamma in gammas)
    return AccuracyPlane(tuple(alphas), tuple(gammas), values)


def kl_ablation(
    make: MethodFactory, evidence: Evidence, query: ImageFeatures, labels: Int64[Tensor, " query"]
) -> Mapping[str, Scores]:
    """Score a method with its KL term and without (``gamma`` 0, everything else as ``make`` chose it).

    Raises:
        InputError: the method has no ``gamma``.
    """
    method = make(evidence)
    if "gamma" not in {f.name for f in dataclasses.fields(method)}:  # type: ignore[arg-type]
        raise InputError(f"{method.name} has no gamma: there is no KL term to leave out.")
    without: Any = dataclasses.replace(method, gamma=0.0)  # type: ignore[type-var]
    return {
        name: score(m.logits(m.fit(evidence), query), labels)
        for name, m in (("with the KL term", method), ("without it", without))
    }


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
    _, own = evidence.support("A support curve")
    counts = torch.bincount(own)
    largest, smallest = int(counts.max()), int(counts[counts > 0].min())
    top1, low, high = [], [], []
    used = tuple(size for size in sizes if size <= largest)
    for size in used:
        alike = size >= largest == smallest
        found = []
        for repeat in range(1 if alike else repeats):
            part = take_shots(evidence, size, derive_seed(seed, "shots", size, repeat))
            method = make(part)
            found.append(score(method.logits(method.fit(part), query), labels))
        mean = sum(s.top1 for s in found) / len(found)
        top1.append(mean)
        low.append(min(s.top1 for s in found) if len(found) > 1 else found[0].low)
        high.append(max(s.top1 for s in found) if len(found) > 1 else found[0].high)
    return AccuracyCurve(used, tuple(top1), tuple(low), tuple(high))


def take_shots(evidence: Evidence, size: int, seed: int) -> Evidence:
    """Return the evidence with at most ``size`` support images per class, drawn by ``seed``, in their order."""
    features, labels = evidence.support("Taking shots")
    kept = []
    for label in torch.bincount(labels).nonzero()[:, 0].tolist():
        rows = (labels == label).nonzero()[:, 0]
        generator = torch.Generator().manual_seed(derive_seed(seed, label))
        kept.append(rows[torch.randperm(len(rows), generator=generator)[:size]])
    keep = torch.cat(kept).sort().values
    patches = None if evidence.support_patches is None else evidence.support_patches[keep]
    return dataclasses.replace(
        evidence, support_features=features[keep], support_labels=labels[keep], support_patches=patches
    )
