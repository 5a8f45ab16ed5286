"""How surely the class prompts know the support images: all that can be said of a build without labelled images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from susx.errors import MismatchError
from susx.methods.functional.class_means import class_means

__all__ = ["ClassConfidence", "class_confidence"]


@dataclass(frozen=True)
class ClassConfidence:
    """What the prompts say of the support images of class ``label``.

    Attributes:
        label: the class.
        confidence: mean zero-shot probability of the class over its support images; a class without any has no entry.
        rival: the other class that gets most of the probability, -1 where there is no other class.
        rival_confidence: its mean probability.
    """

    label: int
    confidence: float
    rival: int
    rival_confidence: float


def class_confidence(
    support: Float[Tensor, "support dim"],
    labels: Int64[Tensor, " support"],
    text: Float[Tensor, "classes dim"],
    logit_scale: float,
) -> list[ClassConfidence]:
    """Return an entry per class that has support, in label order; rows are unit vectors.

    It is no accuracy. How it ranks with the accuracy of a class is measured in ``docs/methods/whitened-prototypes.md``.

    Raises:
        MismatchError: widths that differ, or labels that do not fit.
    """
    if support.shape[1:] != text.shape[1:] or len(labels) != len(support):
        raise MismatchError(
            f"Expected support rows as wide as text rows {tuple(text.shape)} and a label for each, found "
            f"{tuple(support.shape)} and {len(labels)} labels."
        )
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(text):
        raise MismatchError(f"Expected labels below {len(text)}, found {int(labels.max())}.")
    posterior = (logit_scale * support @ text.T).softmax(dim=1)
    mean = class_means(posterior, labels, torch.ones(len(labels)), len(text))
    own_confidence = mean.diagonal().clone()
    rivals = mean.fill_diagonal_(-1.0).max(dim=1)
    several = len(text) > 1
    return [
        ClassConfidence(
            label, float(own_confidence[label]), int(rivals.indices[label]) if several else -1,
            float(rivals.values[label]) if several else 0.0,
        )
        for label in labels.unique(sorted=True).tolist()  # type: ignore[no-untyped-call]
    ]  # fmt: skip
