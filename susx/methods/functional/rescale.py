"""psi of TIP-X: the affine map that brings divergences to the range of the affinities."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["AffineMap", "affine_map", "rescale_to_range"]


@dataclass(frozen=True)
class AffineMap:
    """psi(x) = scale * x + offset."""

    scale: float
    offset: float

    def __call__(self, values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return psi of every value."""
        return values * self.scale + self.offset


def affine_map(source: tuple[float, float], target: tuple[float, float]) -> AffineMap:
    """Return the map that takes the interval ``source`` onto ``target``; values outside are extrapolated.

    A source of no width (one class, one support image) says nothing: the map is then the constant lower end.

    >>> affine_map((0.0, 2.0), (0.5, 1.0))(torch.tensor([0.0, 1.0, 2.0])).tolist()
    [0.5, 0.75, 1.0]
    >>> affine_map((1.0, 1.0), (0.5, 1.0))
    AffineMap(scale=0.0, offset=0.5)
    """
    low, high = source
    if not high > low:
        return AffineMap(0.0, target[0])
    scale = (target[1] - target[0]) / (high - low)
    return AffineMap(scale, target[0] - scale * low)


def rescale_to_range(
    values: Float[Tensor, "query support"], target: tuple[float, float]
) -> Float[Tensor, "query support"]:
    """Return ``values`` mapped from their own minimum and maximum onto ``target``.

    This is what the published script does with a whole batch, so its result depends on which images share the
    batch. Kept for comparison; TIP-X itself fixes psi in ``fit``.

    >>> rescale_to_range(torch.tensor([[1.0, 3.0]]), (0.0, 1.0)).tolist()
    [[0.0, 1.0]]
    """
    if not values.numel():
        return values
    low, high = torch.aminmax(values)
    return affine_map((float(low), float(high)), target)(values)
