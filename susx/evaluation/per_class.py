"""Which classes a method helps and which it harms."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor

from susx.errors import MismatchError
from susx.evaluation.scores import check_scored, class_accuracy

__all__ = ["ClassGain", "class_gains"]


@dataclass(frozen=True)
class ClassGain:
    """Accuracy of class ``label`` on its ``n`` images under the reference (``before``) and the method (``after``)."""

    label: int
    n: int
    before: float
    after: float


def class_gains(
    reference: Float[Tensor, "query classes"],
    logits: Float[Tensor, "query classes"],
    labels: Int64[Tensor, " query"],
) -> list[ClassGain]:
    """Return one entry per class that has images, in label order.

    Raises:
        MismatchError: the two logits differ in shape.
    """
    if reference.shape != logits.shape:
        raise MismatchError(f"Expected logits of the same images and classes, found {tuple(reference.shape)} and "
                            f"{tuple(logits.shape)}.")  # fmt: skip
    check_scored(reference, labels)
    check_scored(logits, labels)
    before, counts = class_accuracy(reference.argmax(dim=1), labels, logits.shape[1])
    after, _ = class_accuracy(logits.argmax(dim=1), labels, logits.shape[1])
    return [
        ClassGain(label, n, b, a)
        for label, (n, b, a) in enumerate(zip(counts.tolist(), before.tolist(), after.tolist(), strict=True))
        if n
    ]
