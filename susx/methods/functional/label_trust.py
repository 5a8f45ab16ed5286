"""How far the mean of a class's labelled images is believed, from their number and their spread.

The mean of n images of a class is its centre plus noise of variance sigma^2 / n. Its prompt says part of where that
centre lies (``text_map``); what the prompt does not say has variance tau^2 over the classes. The best linear prediction
of it from n images is their mean times

    lambda = n / (n + k),    k = sigma^2 / tau^2

(Henderson, "Best linear unbiased estimation and prediction", Biometrics 1975). sigma^2 is the variance within classes,
tau^2 what is left of the residuals e of the text map, with leverages a, over C labelled classes:

    tau^2 = mean_c [ e_c^2 / (1 - a_c) - sigma^2 / n_c ]

One image a class shows no spread, so 1 / k is the mean of the measured tau^2 / sigma^2 and of 1 / ``PRIOR``, weighted by
the images beyond the first of each class and by the classes.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from susx.methods.functional.class_means import class_means
from susx.methods.functional.text_map import text_map

__all__ = ["PRIOR", "leverages", "noise_ratio", "trust_in_means"]

PRIOR = 5.0
"""k of one image a class: measured were 4.1 to 5.2 on SUN397 and 6.7 to 8.9 on DTD's validation images."""

_MOST = 4 * PRIOR
"""A person's labels are never taken for noise alone."""


def trust_in_means(counts: Int64[Tensor, " classes"], ratio: float) -> Float64[Tensor, " classes"]:
    """Return lambda of each class: 0 without images, growing with their number towards 1.

    Args:
        counts: n, labelled images of each class.
        ratio: k, above 0.

    >>> trust_in_means(torch.tensor([0, 1, 5]), 5.0)
    tensor([0.0000, 0.1667, 0.5000], dtype=torch.float64)
    """
    return counts.double() / (counts + ratio)


def noise_ratio(
    text: Float[Tensor, "classes dim"],
    rows: Float[Tensor, "labelled dim"],
    labels: Int64[Tensor, " labelled"],
    ridge: float = 1.0,
) -> float:
    """Return k, between 0 and four times ``PRIOR``.

    Args:
        text: unit rows of the class prompts.
        rows, labels: labelled images and their classes, at least one; a class may have none.
        ridge: strength of the text map's penalty.
    """
    values, ones = rows.double(), torch.ones(len(rows), dtype=torch.float64)
    counts = torch.bincount(labels, minlength=len(text))
    seen = counts > 0
    classes, beyond = int(seen.sum()), len(rows) - int(seen.sum())
    if classes < 2 or not beyond:
        return PRIOR
    means = class_means(values, labels, ones, len(text))
    within = float((values - means[labels]).square().sum()) / beyond
    if not within > 0:
        return PRIOR
    residual = (means - text_map(text, means, seen, ridge))[seen].square().sum(dim=1)
    beside = residual / (1 - leverages(text, seen, ridge)).clamp(min=1e-6) - within / counts[seen]
    measured = max(0.0, float(beside.mean()) / within)
    share = beyond / (beyond + classes)
    return min(_MOST, 1 / (share * measured + (1 - share) / PRIOR))


def leverages(
    text: Float[Tensor, "classes dim"], seen: Bool[Tensor, " classes"], ridge: float = 1.0
) -> Float64[Tensor, " seen"]:
    """Return, for each class with images, how much of its own mean the text map gives back: the diagonal of the map.

    Args:
        text: unit rows of the class prompts.
        seen: which classes have images; at least one.
        ridge: strength of the penalty, as in ``text_map``.
    """
    rows = text.double()[seen]
    centred = rows - rows.mean(dim=0)
    vectors, values, _ = torch.linalg.svd(centred, full_matrices=False)
    squares = values.square()
    penalty = ridge * float(squares.sum()) / len(rows)
    shares = squares / (squares + penalty) if penalty > 0 else torch.zeros_like(squares)
    leverage: Tensor = vectors.square() @ shares
    return leverage + 1 / len(rows)
