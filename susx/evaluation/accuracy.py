"""Top-1 accuracy with its 95 % interval."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor

from susx.errors import InputError, MismatchError
from susx.evaluation.interval import bootstrap_interval

__all__ = ["Accuracy", "top_1"]


@dataclass(frozen=True)
class Accuracy:
    """Images classified correctly, of how many, with the bootstrap interval of the share (0 to 1)."""

    correct: int
    total: int

    @property
    def value(self) -> float:
        """Share of correct images."""
        return self.correct / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval over which images happened to be in the split."""
        return bootstrap_interval(self.correct, self.total)


def top_1(logits: Float[Tensor, "query classes"], labels: Int64[Tensor, " query"]) -> Accuracy:
    """Return how many rows have their label as the greatest logit; equal logits count as the first of them.

    Raises:
        InputError: no images.
        MismatchError: another number of labels than rows.

    >>> top_1(torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), torch.tensor([0, 1, 1]))
    Accuracy(correct=2, total=3)
    """
    if len(logits) != len(labels):
        raise MismatchError(
            f"Accuracy of {len(logits)} images with {len(labels)} labels: give one label per image."
        )
    if not len(labels):
        raise InputError("There are no images to measure accuracy on. Give at least one labelled image.")
    return Accuracy(int((logits.argmax(dim=1) == labels).sum()), len(labels))
