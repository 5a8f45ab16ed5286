"""Near-duplicates of a folder: images that are labelled alike, count once and are shown once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Int64

from susx.images.duplicates import Likeness, NearRule, first_duplicates

__all__ = ["near_groups"]


def near_groups(
    hashes: Sequence[str], features: Float32[np.ndarray, "query dim"], rule: NearRule
) -> Int64[np.ndarray, " query"]:
    """Return the number of each image's group of near-duplicates; groups are numbered from 0 in the order of their first images.

    An image joins the group of the first image before it that it is near and that began a group, so the groups depend on the order: give
    the images in one that their content fixes.

    Args:
        hashes: perceptual hashes in hexadecimal, "" for none.
        features: unit rows.
        rule: when two are near-duplicates.
    """
    first = first_duplicates(Likeness.of(hashes, features), rule)
    begins = [at if first_row < 0 else first_row for at, first_row in enumerate(first)]
    number = {first_row: at for at, first_row in enumerate(dict.fromkeys(begins))}
    return np.array([number[first_row] for first_row in begins], dtype=np.int64)
