"""What is known of images that are none of the classes: a share of outsiders let in, for each threshold of the cosine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, FiniteFloat

from susx.errors import InputError

__all__ = ["Rejection", "threshold_of"]

_Share = Annotated[FiniteFloat, Field(ge=0, le=1)]
"""Checked where a file is read."""


@dataclass(frozen=True)
class Rejection:
    """What is known of outsiders, by threshold.

    Attributes:
        thresholds: rising cosines.
        let_in: estimated share of outsiders at or above each threshold, falling.
        kept: share of images whose captions name a class at or above it, falling.
        inside: estimated share of the pool that are pictures of the classes.
        named, pool: numbers of images whose captions name a class, and of all that were looked at.
    """

    thresholds: Annotated[tuple[FiniteFloat, ...], Field(min_length=1)]
    let_in: tuple[_Share, ...]
    kept: tuple[_Share, ...]
    inside: _Share
    named: int
    pool: int

    def __post_init__(self) -> None:
        if not len(self.thresholds) == len(self.let_in) == len(self.kept):
            raise ValueError("thresholds, let_in and kept are of different lengths")

    def threshold(self, let_in: float) -> float:
        """Return the lowest threshold that lets in at most this share of outsiders.

        Raises:
            InputError: the share is not between 0 and 1.
        """
        if not 0 < let_in < 1:
            raise InputError(f"The share of outsiders let in must be between 0 and 1, found {let_in}.")
        return next(
            (t for t, share in zip(self.thresholds, self.let_in, strict=True) if share <= let_in),
            self.thresholds[-1],
        )


def threshold_of(rejection: Rejection | None, let_in: float) -> float:
    """Return the cosine below which an image is none of the classes, for a share of outsiders that may pass.

    Raises:
        InputError: the share is not between 0 and 1, or nothing is known of outsiders.
    """
    if rejection is None:
        raise InputError(
            "This classifier knows nothing of images that are none of its classes: it was built without a pool whose captions "
            "name them (at least 20). Build it by --mode retrieve from an index with captions, or leave --reject out."
        )
    return rejection.threshold(let_in)
