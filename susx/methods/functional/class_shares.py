"""What a folder shows of its class shares, and the logits that follow: only as far as it shows them.

With n_c the soft counts of a folder and mean their mean, V = squared coefficient of variation - 1 / mean is how uneven
the classes are beyond what drawing images at random makes them (the largest 5 % of the counts are capped). Then

    s = clip((V - 0.3) / V, -1, 1),    a = min(2, 1 / V),    logit += s log((n_c + a) / (mean + a))

A very uneven folder lacks classes, whose prompts must not attract images (s near 1). In a nearly even one, a class
with many images is a hub of the prompts, and is pushed down (s below 0).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from susx.methods.functional.arrays import Array, logarithm

__all__ = ["Shares", "class_shares"]

_EVEN = 0.3
_CAPPED = 0.05


@dataclass(frozen=True)
class Shares:
    """How the counts of a folder enter its logits.

    Attributes:
        strength: s, from -1 to 1.
        added: a.
        mean: of the counts.
    """

    strength: float
    added: float
    mean: float

    def logits(self, counts: Float[Array, "*query classes"]) -> Float[Array, "*query classes"]:
        """Return s log((n + a) / (mean + a)); an image's own share is to be taken out of its counts before."""
        parts = counts.clip(min=0) + self.added
        parts /= self.mean + self.added
        parts = logarithm(parts)
        parts *= self.strength
        return parts


def class_shares(counts: Float[Array, " classes"]) -> Shares:
    """Return how far soft counts say that classes are uneven.

    >>> class_shares(torch.tensor([100.0, 100.0, 100.0, 100.0])).strength
    -1.0
    >>> round(class_shares(torch.tensor([400.0, 0.0, 0.0, 0.0])).strength, 2)
    0.9
    """
    values = np.asarray(counts, dtype=np.float64)
    mean = float(values.mean())
    if not mean > 0:
        return Shares(0.0, 2.0, 0.0)
    largest = max(1, round(_CAPPED * len(values)))
    capped = values.clip(max=float(np.sort(values)[-largest]))
    level = float(capped.mean())
    uneven = float(capped.var()) / level**2 - 1 / mean if level > 0 else 0.0
    if not uneven > 0:
        return Shares(-1.0, 2.0, mean)
    return Shares(min(1.0, max(-1.0, (uneven - _EVEN) / uneven)), min(2.0, 1 / uneven), mean)
