"""What one support image weighs when classes hold unequal numbers of them."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor

__all__ = ["Weighting", "nominal_count", "support_weights"]

Weighting: TypeAlias = Literal["mean", "sum"]


def nominal_count(labels: Int64[Tensor, " support"], classes: int) -> float:
    """Return the median number of images over the classes that have any (0 when none has).

    The median, not the maximum: one class with hundreds of provided images must not raise everyone's weight.

    >>> nominal_count(torch.tensor([0, 0, 1, 1, 1, 1, 2, 2]), 4)
    2.0
    """
    counts = torch.bincount(labels, minlength=classes)
    held = counts[counts > 0].double()
    return float(held.quantile(0.5)) if held.numel() else 0.0


def support_weights(
    labels: Int64[Tensor, " support"],
    classes: int,
    weighting: Weighting = "mean",
    nominal: float | None = None,
) -> Float[Tensor, " support"]:
    """Return the weight of each support image.

    ``sum`` is the published code: 1 each, so a class with more images gets larger logits whatever they show.
    ``mean`` takes the class mean times the nominal count: nominal / n_c. Both agree when counts are equal.

    Args:
        labels: class of each support image.
        classes: number of classes.
        weighting: ``mean`` or ``sum``.
        nominal: count that the mean is multiplied by; default ``nominal_count``.

    >>> support_weights(torch.tensor([0, 0, 1]), 2, nominal=2).tolist()
    [1.0, 1.0, 2.0]
    >>> support_weights(torch.tensor([0, 0, 1]), 2, "sum").tolist()
    [1.0, 1.0, 1.0]
    """
    if weighting == "sum":
        return torch.ones(labels.shape[0])
    scale = nominal_count(labels, classes) if nominal is None else float(nominal)
    counts = torch.bincount(labels, minlength=classes).clamp(min=1)
    return scale / counts[labels].float()
