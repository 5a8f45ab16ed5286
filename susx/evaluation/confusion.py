"""Which class takes images from which other, and which images those are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from susx.evaluation.calibration import probabilities
from susx.evaluation.scores import check_scored

__all__ = ["ConfusionPair", "confusion_matrix", "confusion_pairs"]


@dataclass(frozen=True)
class ConfusionPair:
    """``count`` of the ``total`` images of class ``true`` were called ``predicted``.

    ``rows`` are the first of those images, most confident first, with the ``confidence`` of the wrong answer.
    """

    true: int
    predicted: int
    count: int
    total: int
    rows: tuple[int, ...]
    confidence: tuple[float, ...]


def confusion_matrix(
    predicted: Int64[Tensor, " query"], labels: Int64[Tensor, " query"], classes: int
) -> Int64[Tensor, "classes classes"]:
    """Count images by true class (rows) and predicted class (columns).

    >>> confusion_matrix(torch.tensor([1, 1, 0]), torch.tensor([0, 1, 0]), 2)
    tensor([[1, 1],
            [0, 1]])
    """
    return torch.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def confusion_pairs(
    logits: Float[Tensor, "query classes"],
    labels: Int64[Tensor, " query"],
    most: int = 12,
    images: int = 6,
    temperature: float = 1.0,
) -> list[ConfusionPair]:
    """Return the ``most`` largest confusions, the one with more images first, each with up to ``images`` rows.

    ``temperature`` divides the logits before the softmax whose value is the confidence.
    """
    check_scored(logits, labels)
    confidence, predicted = probabilities(logits.double(), temperature).max(dim=1)
    predicted = logits.argmax(dim=1)
    classes = logits.shape[1]
    matrix = confusion_matrix(predicted, labels, classes)
    totals = matrix.sum(dim=1)
    wrong = matrix.clone().fill_diagonal_(0).flatten()
    order = torch.argsort(wrong, descending=True, stable=True)[:most]
    pairs = []
    for cell in order[wrong[order] > 0].tolist():
        true, called = divmod(cell, classes)
        rows = ((labels == true) & (predicted == called)).nonzero()[:, 0]
        rows = rows[torch.argsort(confidence[rows], descending=True, stable=True)[:images]]
        pairs.append(
            ConfusionPair(
                true,
                called,
                int(wrong[cell]),
                int(totals[true]),
                tuple(rows.tolist()),
                tuple(confidence[rows].tolist()),
            )
        )
    return pairs
