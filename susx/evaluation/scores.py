"""Scores of one set of logits: top-k, mean per-class accuracy, macro-F1. Fractions in [0, 1]."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from susx.errors import InputError, MismatchError

__all__ = ["check_scored", "class_accuracy", "macro_f1", "mean_per_class", "top_k_correct"]


def check_scored(logits: Float[Tensor, "query classes"], labels: Int64[Tensor, " query"]) -> None:
    """Refuse logits and labels that cannot be scored.

    Raises:
        MismatchError: there is not one label per row.
        InputError: no rows, NaN in the logits, or a label outside the columns.
    """
    if len(logits) != len(labels):
        raise MismatchError(
            f"{len(logits)} rows of logits but {len(labels)} labels: expected one label per image."
        )
    if not len(labels):
        raise InputError(
            "Nothing to score: there are no labelled images. Give a split with at least one image."
        )
    if bool(torch.isnan(logits).any()):
        bad = int(torch.isnan(logits).any(dim=1).nonzero()[0])
        raise InputError(f"The logits of image {bad} hold NaN. Look at its features.")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= logits.shape[1]:
        wrong = low if low < 0 else high
        raise InputError(
            f"Label {wrong} does not fit {logits.shape[1]} classes; labels are 0 to {logits.shape[1] - 1}."
        )


def top_k_correct(
    logits: Float[Tensor, "query classes"], labels: Int64[Tensor, " query"], k: int
) -> Bool[Tensor, " query"]:
    """Say per image whether its class is among the ``k`` highest.

    Of equal logits the lower class goes first, so that a constant classifier earns 1/classes and not 1.

    >>> top_k_correct(torch.tensor([[0.1, 0.5, 0.4], [0.0, 0.0, 0.0]]), torch.tensor([2, 1]), 2)
    tensor([True, True])
    """
    check_scored(logits, labels)
    if k < 1:
        raise InputError(f"top-k needs k of at least 1, found {k}.")
    true_score = logits.gather(1, labels[:, None])
    before = torch.arange(logits.shape[1], device=logits.device) < labels[:, None]
    rank = ((logits > true_score) | ((logits == true_score) & before)).sum(dim=1)
    return rank < k


def class_accuracy(
    predicted: Int64[Tensor, " query"], labels: Int64[Tensor, " query"], classes: int
) -> tuple[Float64[Tensor, " classes"], Int64[Tensor, " classes"]]:
    """Return accuracy and number of images per class; a class without images has accuracy NaN.

    >>> class_accuracy(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]), 3)
    (tensor([0.5000, 1.0000,    nan], dtype=torch.float64), tensor([2, 1, 0]))
    """
    counts = torch.bincount(labels, minlength=classes)
    right = torch.bincount(labels[predicted == labels], minlength=classes)
    return right.double() / counts.double(), counts


def mean_per_class(
    predicted: Int64[Tensor, " query"], labels: Int64[Tensor, " query"], classes: int
) -> float:
    """Return the mean over classes of the accuracy within the class (balanced accuracy); absent classes are left out."""
    accuracy, counts = class_accuracy(predicted, labels, classes)
    return float(accuracy[counts > 0].mean())


def macro_f1(predicted: Int64[Tensor, " query"], labels: Int64[Tensor, " query"]) -> float:
    """Return the unweighted mean of F1 over the classes that occur among the labels."""
    from sklearn.metrics import f1_score

    present = torch.bincount(labels).nonzero()[:, 0].cpu().numpy()
    return float(
        f1_score(
            labels.cpu().numpy(), predicted.cpu().numpy(), labels=present, average="macro", zero_division=0
        )
    )
