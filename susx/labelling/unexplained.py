"""Groups of images that no name of the list explains: like each other, and unlike all classes. Perhaps a class is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["unexplained_groups"]

_OUTSIDE = 0.5
"""Score of "none of these" from which an image is looked at."""
_LEAST = 3
"""Images, near-duplicates counted once, that make a group."""
_QUARTILE = 0.25
"""Of the cosines within a class, where there is no second one."""
_UNKNOWN = 0.9
"""Mean cosine that makes images alike where no image is one of the classes, which would tell it."""
_MOST = 2000
"""Images looked at, those that are least of all classes first."""


def unexplained_groups(frame: pd.DataFrame, features: Float32[np.ndarray, "query dim"]) -> list[list[int]]:
    """Return groups of places in the table, largest first; in each the image nearest to the group's middle comes first.

    Groups are joined, the nearest first, as long as the mean cosine between their images (average linkage, Sokal and Michener 1958) is
    rather that within a class than that between two.
    """
    shown = frame.drop_duplicates("group").index.to_numpy()
    outside = frame["none_of_these"].to_numpy()[shown]
    by_person = (frame["by_person"] & (frame["label"] != "")).to_numpy()[shown]
    by_score = np.lexsort((shown, -outside))
    order = [int(shown[at]) for at in by_score if outside[at] > _OUTSIDE and not by_person[at]][:_MOST]
    if len(order) < _LEAST:
        return []
    from scipy.cluster.hierarchy import fcluster, linkage

    alike = _alike(frame, features, shown)
    rows = features[order].astype(np.float64)
    parts = fcluster(linkage(rows, "average", "cosine"), max(0.0, 1 - alike), "distance")
    kept = []
    for part in np.unique(parts):
        group = [order[at] for at in np.flatnonzero(parts == part)]
        if len(group) >= _LEAST:
            middle = features[group].sum(axis=0)
            kept.append(sorted(group, key=lambda at, middle=middle: -float(features[at] @ middle)))  # type: ignore[misc]
    return sorted(kept, key=len, reverse=True)


def _alike(frame: pd.DataFrame, features: np.ndarray, shown: np.ndarray) -> float:
    """Return the cosine half-way between images of one class and images of two that are near each other.

    Both are medians over images that are one of the classes: of the mean cosine to the others of the same label, and to those of the label
    that comes next.
    """
    inside = shown[frame["none_of_these"].to_numpy()[shown] <= _OUTSIDE]
    _, labels, counts = np.unique(
        frame["label"].to_numpy()[inside].astype(str), return_inverse=True, return_counts=True
    )
    if not len(inside) or counts.max() < 2:
        return _UNKNOWN
    rows = features[inside]
    sums = np.zeros((len(counts), rows.shape[1]), dtype=np.float32)
    np.add.at(sums, labels, rows)
    cosines = rows @ sums.T
    at = np.arange(len(rows))
    many = counts[labels] > 1
    own_cosine = ((cosines[at, labels] - 1) / np.maximum(counts[labels] - 1, 1))[many]
    if len(counts) == 1:
        return float(np.quantile(own_cosine, _QUARTILE))
    cosines /= counts
    cosines[at, labels] = -1
    return float(np.median(own_cosine) + np.median(cosines.max(axis=1))) / 2
