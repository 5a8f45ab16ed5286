"""Near-duplicates by perceptual hash and embedding, in blocks, so that memory does not grow with pairs.

Hamming distances come from one matrix product: bits as -1/+1 give ``a . b = 64 - 2 distance``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float32

from susx.methods.functional.arrays import Array

__all__ = ["Likeness", "NearRule", "first_duplicates", "near_any"]

BLOCK = 1024
BITS = 64


@dataclass(frozen=True)
class NearRule:
    """When two images are near-duplicates.

    Attributes:
        measure: both measures, either, or one of them; an image without a hash is judged by its embedding.
        distance: at most this many of 64 bits differ.
        cosine: at least this similar.
    """

    measure: Literal["both", "either", "hash", "embedding"]
    distance: int
    cosine: float


@dataclass(frozen=True)
class Likeness:
    """What images are compared by.

    Attributes:
        bits: -1/+1 rows of the 64-bit hashes; zeros where there is none.
        features: unit rows; zeros where there is none.
    """

    bits: Float32[np.ndarray, "support bits"]
    features: Float32[np.ndarray, "support dim"]

    @classmethod
    def of(cls, hashes: Sequence[str], features: Float[Array, "support dim"]) -> Likeness:
        """Build from hexadecimal hashes ("" for none) and features of the same images."""
        hash_words = np.array([int(h or "0", 16) for h in hashes], dtype=">u8")
        bits = np.unpackbits(hash_words.view(np.uint8).reshape(-1, 8), axis=1).astype(np.float32) * 2 - 1
        bits[[not h for h in hashes]] = 0
        return cls(bits, np.asarray(features, dtype=np.float32))

    def __len__(self) -> int:
        return len(self.bits)

    def at(self, places: Array | slice) -> Likeness:
        """Return a selection of the images."""
        chosen = places if isinstance(places, slice) else np.asarray(places)
        return Likeness(self.bits[chosen], self.features[chosen])

    def near(self, other: Likeness, rule: NearRule) -> Bool[np.ndarray, "support other"]:
        """Return which pairs are near-duplicates."""
        shape = (len(self), len(other))
        if rule.measure == "embedding":
            return self._similar(other, rule)
        close = self.bits @ other.bits.T >= BITS - 2 * rule.distance
        if rule.measure == "hash":
            return np.asarray(close)
        if rule.measure == "either":
            return np.asarray(close | self._similar(other, rule))
        unknown = (self.bits[:, 0] == 0)[:, None] | (other.bits[:, 0] == 0)[None, :]
        close |= unknown
        rows, columns = close.any(axis=1), close.any(axis=0)
        near: np.ndarray = np.zeros(shape, dtype=bool)
        if rows.any():
            # Few images have a hash near any other, so the embeddings of the rest are never multiplied.
            at = np.ix_(rows, columns)
            near[at] = close[at] & self.at(rows)._similar(other.at(columns), rule)
        return near

    def _similar(self, other: Likeness, rule: NearRule) -> np.ndarray:
        return np.asarray(self.features @ other.features.T >= rule.cosine)


def near_any(images: Likeness, others: Likeness, rule: NearRule) -> list[int]:
    """Return, for every image, the place of the first near-duplicate among ``others``, or -1."""
    nearest = np.full(len(images), -1)
    for start in range(0, len(images), BLOCK):
        block = images.at(slice(start, start + BLOCK))
        for other in range(0, len(others), BLOCK):
            near = block.near(others.at(slice(other, other + BLOCK)), rule)
            part = nearest[start : start + BLOCK]
            hit = near.any(axis=1) & (part < 0)
            part[hit] = near[hit].argmax(axis=1) + other
    return [int(row) for row in nearest]


def first_duplicates(images: Likeness, rule: NearRule) -> list[int]:
    """Walk the images in their order and drop each that is near one kept before it.

    Returns:
        For every image the place of the kept image it duplicates, or -1 when it is kept.
    """
    result = [-1] * len(images)
    kept: list[int] = []
    for start in range(0, len(images), BLOCK):
        block = images.at(slice(start, start + BLOCK))
        before = near_any(block, images.at(np.array(kept)), rule) if kept else [-1] * len(block)
        inner = block.near(block, rule)
        alive: list[int] = []
        for row in range(len(block)):
            if before[row] >= 0:
                result[start + row] = kept[before[row]]
                continue
            twins = [other for other in alive if inner[row, other]] if inner[row, :row].any() else []
            if twins:
                result[start + row] = start + twins[0]
            else:
                alive.append(row)
        kept.extend(start + row for row in alive)
    return result
