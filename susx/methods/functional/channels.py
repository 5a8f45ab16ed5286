"""Which channels of the features tell classes apart (Zhu et al., APE, ICCV 2023, sec. 3.1).

A channel is good where classes differ in it and their prompts spread: with m_c the mean of class c's rows (prompt and support
images), S_k the mean product of two different classes' means in channel k, and V_k the variance of the prompts in it,

    J_k = -u S_k + v V_k

and the channels of largest J are kept.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

__all__ = ["channel_scores", "chosen_channels"]


def channel_scores(
    text: Float[Tensor, "classes dim"],
    rows: Float[Tensor, "support dim"],
    labels: Int64[Tensor, " support"],
    weights: tuple[float, float],
) -> Float[Tensor, " dim"]:
    """Return J of each channel. The released code loops over pairs of rows of equally many images a class; the sum over pairs of
    different classes is the square of the sum less the sum of squares.

    Args:
        text: unit rows of the class prompts.
        rows, labels: unit rows of the support images and their classes.
        weights: u and v.

    >>> channel_scores(torch.eye(2), torch.eye(2), torch.arange(2), (1.0, 0.0)).abs().tolist()
    [0.0, 0.0]
    """
    classes = len(text)
    counts = 1 + torch.bincount(labels, minlength=classes)
    means = text.double().index_add(0, labels, rows.double()) / counts[:, None]
    pairs = max(1, classes * (classes - 1))
    similarity = (means.sum(dim=0).square() - means.square().sum(dim=0)) / pairs
    variance = text.double().var(dim=0, correction=1 if classes > 1 else 0)
    return (-weights[0] * similarity + weights[1] * variance).to(text.dtype)


def chosen_channels(scores: Float[Tensor, " dim"], share: float) -> Int64[Tensor, " channels"]:
    """Return the channels of largest score, ascending, at least one; all of them for a share of 1.

    >>> chosen_channels(torch.tensor([0.1, 0.3, 0.2, 0.0]), 0.5).tolist()
    [1, 2]
    """
    count = max(1, round(share * len(scores)))
    return scores.topk(count).indices.sort().values
