"""Caches that grow while images come one after the other: each class keeps the images it was surest of.

Karmanov et al., TDA (CVPR 2024), whose positive and negative cache differ in what is kept, and Zhang et al., DMN (CVPR 2024),
whose memory is the same with more places. An image is put where its zero-shot prediction says, and the image of most entropy
makes room.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

__all__ = ["ClassCache", "entropy"]


def entropy(probabilities: Float[np.ndarray, "query classes"]) -> Float[np.ndarray, " query"]:
    """Return the entropy of each row, in nats.

    >>> entropy(np.array([[0.5, 0.5], [1.0, 0.0]])).round(4).tolist()
    [0.6931, 0.0]
    """
    safe = np.where(probabilities > 0, probabilities, 1.0)
    entropies: np.ndarray = -(probabilities * np.log(safe)).sum(axis=1) + 0.0
    return entropies


class ClassCache:
    """Up to ``places`` images of each class, by the number that each image has in the stream.

    Attributes:
        numbers: of the images kept, class by class; -1 where a place is free.
        worth: their entropies; infinite where a place is free.
    """

    def __init__(self, classes: int, places: int) -> None:
        self.numbers = np.full((classes, places), -1, dtype=np.int64)
        self.worth = np.full((classes, places), np.inf)

    def offer(self, number: int, label: int, doubt: float) -> int | None:
        """Keep an image where a place of its class is free or holds one of more entropy; return the place, None where it is not kept."""
        slot = int(self.worth[label].argmax())
        if not doubt < self.worth[label, slot]:
            return None
        self.numbers[label, slot], self.worth[label, slot] = number, doubt
        return slot
