"""How right the labels of a folder are, estimated from the fit alone: an estimate, and no promise.

The mean of the calibrated probabilities, over the images in so far as they show a class. Its interval is the error that
such an estimate had over the folders of the study (``benchmarks/label_study.py``), joined with what drawing the images at random
adds. On a kind of folder that the study did not hold it may be further off: an audit is what promises.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from susx.methods.functional.folder_prototypes import UNSAID, FolderLabels

__all__ = ["AccuracyEstimate", "estimated_accuracy"]

MEASURED_ERROR = 0.21
"""95 % of the study's folders had an accuracy within this of their estimate."""


@dataclass(frozen=True)
class AccuracyEstimate:
    """Share of right labels, in [0, 1].

    Attributes:
        value: of the images nobody answered for that show one of the classes.
        low, high: where 95 % of the study's folders would lie.
        images: how many images it speaks of.
    """

    value: float
    low: float
    high: float
    images: int


def estimated_accuracy(labels: FolderLabels) -> AccuracyEstimate:
    """Return the estimate; NaN, from 0 to 1, where it speaks of no image."""
    unsaid = np.asarray(labels.corrections) == UNSAID
    images = int(unsaid.sum())
    if not images:
        return AccuracyEstimate(float("nan"), 0.0, 1.0, 0)
    inside = (1 - np.asarray(labels.none_of_these)[unsaid]).astype(np.float64) + 1e-6
    best = np.asarray(labels.probabilities)[unsaid].max(axis=1).astype(np.float64)
    value = float((inside * best).sum() / inside.sum())
    effective = float(inside.sum() ** 2 / np.square(inside).sum())
    error = math.hypot(MEASURED_ERROR, 1.96 * math.sqrt(value * (1 - value) / effective))
    return AccuracyEstimate(value, max(0.0, value - error), min(1.0, value + error), images)
