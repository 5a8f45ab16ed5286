"""A threshold for "none of these" without a labelled outsider: positives and unlabelled images are enough.

The score of an image is its largest cosine with a class's sentences. A pool holds pictures of the classes (a share pi of it) and
outsiders; which is which nobody says, but captions that name a class give a sample of the former. Above any threshold t then

    pool(t) = pi * inside(t) + (1 - pi) * outside(t)

with shares of images at or above t. pi is the smallest ratio pool(t) / inside(t), as where outsiders are fewest it is reached
(Blanchard, Lee & Scott, "Semi-supervised novelty detection", JMLR 2010), and outside(t) follows. Assumed: pictures whose captions name a
class score as other pictures of the classes do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from susx.config.spelling import NameFinder
from susx.rejection import Rejection

__all__ = ["Rejection", "estimate_rejection", "names_a_class"]

_POINTS = 201
_LEAST_NAMED = 20
"""With fewer captions that name a class the share of pictures of the classes is a guess."""
_MOST_INSIDE = 0.95
"""Of a pool with fewer outsiders nothing is learnt about them."""


def estimate_rejection(scores: Float[Tensor, " rows"], named: Bool[Tensor, " rows"]) -> Rejection | None:
    """Estimate which share of outsiders each threshold lets in.

    Args:
        scores: of images of the pool, an even sample of it.
        named: whether the caption of each names a class.

    Returns:
        None where fewer than 20 captions name a class, or nearly the whole pool shows the classes.
    """
    pool, inside = scores.double(), scores[named].double()
    if len(inside) < _LEAST_NAMED:
        return None

    def at_or_above(values: Tensor, levels: Tensor) -> Tensor:
        ordered = values.sort().values
        return 1 - torch.searchsorted(ordered, levels).double() / len(values)

    levels = torch.quantile(inside, torch.linspace(0.05, 0.9, 35, dtype=torch.float64))
    share = float((at_or_above(pool, levels) / at_or_above(inside, levels)).min().clamp(max=1))
    if share > _MOST_INSIDE:
        return None
    thresholds = torch.linspace(float(pool.min()), float(pool.max()), _POINTS, dtype=torch.float64)
    kept = at_or_above(inside, thresholds)
    outside = ((at_or_above(pool, thresholds) - share * kept) / (1 - share)).clamp(0, 1).cummin(dim=0).values
    return Rejection(
        _rounded(thresholds), _rounded(outside), _rounded(kept),
        inside=round(share, 6), named=len(inside), pool=len(pool),
    )  # fmt: skip


def _rounded(values: Tensor) -> tuple[float, ...]:
    return tuple(round(value, 6) for value in values.tolist())


def names_a_class(captions: Iterable[str | None], class_names: Sequence[str]) -> Bool[Tensor, " rows"]:
    """Return which captions hold a class's name (:class:`susx.config.spelling.NameFinder`)."""
    finder = NameFinder(class_names)
    return torch.tensor([bool(finder.names_in(caption or "")) for caption in captions], dtype=torch.bool)
