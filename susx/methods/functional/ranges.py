"""The ranges that fix psi of TIP-X: affinities and divergences among the support images themselves."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from susx.methods.functional.affinity import affinity
from susx.methods.functional.kl import kl_divergence

__all__ = ["support_affinity_range", "support_divergence_range"]

# One block of support x support numbers holds 64 MB of float32.
_BLOCK_NUMBERS = 16_000_000


def support_affinity_range(support: Float[Tensor, "support dim"]) -> tuple[float, float]:
    """Return the least and greatest cosine of two different support images; (0, 1) when there is only one
    image.

    >>> support_affinity_range(torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]))
    (0.0, 0.8...)
    """
    return _off_diagonal(len(support), lambda rows: affinity(support[rows], support), lone=(0.0, 1.0))


def support_divergence_range(log_signatures: Float[Tensor, "support prompts"]) -> tuple[float, float]:
    """Return the least and greatest KL between two different support images; (0, 0) when there is only one
    image.

    An image's divergence from itself is 0 and no image to classify ever reaches it, so pairs of an image with
    itself are left out: with them the lower end would be 0 whatever the data.
    """
    return _off_diagonal(
        len(log_signatures), lambda rows: kl_divergence(log_signatures[rows], log_signatures), lone=(0.0, 0.0)
    )


def _off_diagonal(
    count: int, block: Callable[[slice], Tensor], lone: tuple[float, float]
) -> tuple[float, float]:
    """Return minimum and maximum of a count x count matrix without its diagonal, computed in blocks of rows."""
    if count < 2:
        return lone
    step = max(1, _BLOCK_NUMBERS // count)
    low, high = float("inf"), float("-inf")
    for start in range(0, count, step):
        stop = min(count, start + step)
        values = block(slice(start, stop))
        diagonal = torch.arange(stop - start)
        for extreme in ("low", "high"):
            values[diagonal, diagonal + start] = float("inf") if extreme == "low" else float("-inf")
            if extreme == "low":
                low = min(low, float(values.min()))
            else:
                high = max(high, float(values.max()))
    return low, high
