"""What is known of a pool of unlabelled images under one encoder and one set of class prompts."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from susx.errors import InputError, MismatchError
from susx.types import Digest

__all__ = ["NEAREST", "PoolStatistics"]

NEAREST = 16
"""Images per class that the hubness bias is taken from."""


@dataclass(frozen=True)
class PoolStatistics:
    """First and second moments of a pool, and per class its best images. Gathered part by part (``features``).

    All z are cosines times the logit scale. Where the pool has fewer rows than places, z is minus infinity.

    Attributes:
        encoder: digest of the encoder that made pool and prompts.
        text: digest of the prompts' rows and the logit scale.
        count: rows that count.
        skipped: rows left out for being NaN, infinite or zero.
        mean, covariance: of the unit rows, in float64; the covariance is divided by ``count``.
        nearest: per class the largest z, largest first.
        is_best: whether the best class of that nearest image is this one.
    """

    encoder: Digest
    text: Digest
    count: int
    skipped: int
    mean: Float64[Tensor, " dim"]
    covariance: Float64[Tensor, "dim dim"]
    nearest: Float64[Tensor, "classes nearest"]
    is_best: Bool[Tensor, "classes nearest"]

    @property
    def agreement(self) -> float:
        """Share of the nearest images whose best class is the one they are nearest to, over all classes."""
        seen = self.nearest.isfinite()
        return float((self.is_best & seen).sum()) / max(1, int(seen.sum()))

    def of_classes(self, classes: Int64[Tensor, " chosen"]) -> PoolStatistics:
        """Return the statistics for some of the classes, or for all in another order; the moments are the pool's."""
        return dataclasses.replace(
            self,
            nearest=self.nearest[classes],
            is_best=self.is_best[classes],
        )

    def check(self, encoder: Digest, text: Digest) -> None:
        """Refuse statistics that belong to another encoder or other prompts.

        Raises:
            MismatchError: says which of the two differs.
            InputError: no row counts.
        """
        for what, expected, present in (
            ("encoder", encoder, self.encoder),
            ("class prompts", text, self.text),
        ):
            if expected != present:
                raise MismatchError(
                    f"The pool statistics were gathered with another {what} ({present[:12]}, expected {expected[:12]}). "
                    "Gather them again with the encoder and the prompts of this classifier."
                )
        if not self.count:
            raise InputError(
                f"The pool statistics hold no usable row ({self.skipped} were NaN, infinite or zero). "
                "Give a pool with at least one image."
            )
