"""Weighted class means of support images whose labels are guesses.

A pool image was chosen for a class because it looks like the class prompt, and the best ranked are the most often
right. With q the zero-shot posterior of the class and rank the place in the class's ranking of K images,

    w_i = q_i^power exp(-decay rank_i / K),    u_c = sum_{i in c} w_i x_i / sum_{i in c} w_i
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from susx.methods.functional.pool_selection import class_ranks

__all__ = ["class_means", "rank_weights"]


def rank_weights(
    scores: Float[Tensor, " support"],
    posterior: Float[Tensor, " support"],
    labels: Int64[Tensor, " support"],
    depth: int,
    decay: float = 4.0,
    power: float = 0.5,
) -> Float[Tensor, " support"]:
    """Return the weight of each support image; images ranked ``depth`` or later in their class get 0.

    Args:
        scores: what ranks the images of one class.
        posterior: zero-shot posterior of each image's own class.
        labels: classes.
        depth: K, images of a class that count.
        decay, power: 0 for equal weights.

    >>> scores, ones = torch.tensor([3.0, 2.0, 1.0]), torch.ones(3)
    >>> rank_weights(scores, ones, torch.zeros(3).long(), 2, decay=0.0).tolist()
    [1.0, 1.0, 0.0]
    """
    ranks = class_ranks(scores, labels)
    weights = posterior.clamp(min=1e-12) ** power * torch.exp(-decay * ranks / depth)
    return torch.where(ranks < depth, weights, torch.zeros_like(weights))


def class_means(
    rows: Float[Tensor, "support dim"],
    labels: Int64[Tensor, " support"],
    weights: Float[Tensor, " support"],
    classes: int,
) -> Float[Tensor, "classes dim"]:
    """Return the weighted mean of each class's rows; zeros for a class without any.

    >>> rows = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> class_means(rows, torch.tensor([1, 1]), torch.tensor([1.0, 3.0]), 2).tolist()
    [[0.0, 0.0], [0.25, 0.75]]
    """
    sums = rows.new_zeros(classes, rows.shape[1]).index_add_(0, labels, rows * weights[:, None])
    mass = weights.new_zeros(classes).index_add_(0, labels, weights)
    return sums / torch.where(mass > 0, mass, torch.ones_like(mass))[:, None]
