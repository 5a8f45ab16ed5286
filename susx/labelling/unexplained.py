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
_MOST = 2000
"""Images looked at, those that are least of all classes first."""


def unexplained_groups(frame: pd.DataFrame, features: Float32[np.ndarray, "query dim"]) -> list[list[int]]:
    """Return groups of places in the table, largest first; in each the image nearest to the group's middle comes first.

    Two images are alike when they are nearer than images of one class mostly are (the median cosine of an image and the mean of its
    label's). Groups grow around leaders (Hartigan, "Clustering algorithms", 1975), least of all classes first.
    """
    shown = frame.drop_duplicates("group").index.to_numpy()
    outside = frame["none_of_these"].to_numpy()[shown]
    said = (frame["said"] & (frame["label"] != "")).to_numpy()[shown]
    by_score = np.lexsort((shown, -outside))
    order = [int(shown[at]) for at in by_score if outside[at] > _OUTSIDE and not said[at]][:_MOST]
    if len(order) < _LEAST:
        return []
    alike = _alike(frame, features, shown)
    leaders: list[np.ndarray] = []
    groups: list[list[int]] = []
    for at in order:
        near = np.array([leader @ features[at] for leader in leaders])
        if len(near) and near.max() >= alike:
            best = int(near.argmax())
            groups[best].append(at)
            mean = features[groups[best]].mean(axis=0)
            leaders[best] = mean / max(float(np.linalg.norm(mean)), 1e-12)
        else:
            groups.append([at])
            leaders.append(features[at])
    kept = [
        sorted(group, key=lambda at: -float(features[at] @ leader))
        for group, leader in zip(groups, leaders, strict=True)
        if len(group) >= _LEAST
    ]
    return sorted(kept, key=len, reverse=True)


def _alike(frame: pd.DataFrame, features: np.ndarray, shown: np.ndarray) -> float:
    """Return the median cosine of an image that is one of the classes and the mean of its label's images."""
    inside = shown[frame["none_of_these"].to_numpy()[shown] <= _OUTSIDE]
    cosines: list[float] = []
    labels = frame["label"].to_numpy()
    for name in set(labels[inside]):
        rows = features[inside[labels[inside] == name]]
        if len(rows) > 1:
            mean = rows.mean(axis=0)
            cosines += (rows @ (mean / max(float(np.linalg.norm(mean)), 1e-12))).tolist()
    return float(np.median(cosines)) if cosines else 0.9
