"""Top-1 accuracy with its 95 % interval."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from susx.errors import InputError, MismatchError
from susx.evaluation.interval import bootstrap_interval

__all__ = ["Accuracy", "mean_and_interval", "top_1"]


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


def mean_and_interval(values: list[float]) -> tuple[float, float, float]:
    """Return the mean over seeds and its 95 % Student interval; one seed alone has no interval (the mean
    thrice).

    Raises:
        InputError: no values.

    >>> mean_and_interval([0.5, 0.6, 0.7])
    (0.6, 0.3515..., 0.8484...)
    """
    from scipy.stats import t

    count = len(values)
    if not count:
        raise InputError("There are no runs to take the mean of. Give at least one seed.")
    numbers = torch.tensor(values, dtype=torch.float64)
    mean = float(numbers.mean())
    if count == 1:
        return mean, mean, mean
    half = float(t.ppf(0.975, count - 1)) * float(numbers.std()) / count**0.5
    return mean, mean - half, mean + half
