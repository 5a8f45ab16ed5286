"""The cache term of Tip-Adapter (Zhang et al., ECCV 2022, eq. 6): support images vote for their class."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

__all__ = ["cache_logits", "class_sums", "row_votes"]


def class_sums(
    votes: Float[Tensor, "query support"], labels: Int64[Tensor, " support"], classes: int
) -> Float[Tensor, "query classes"]:
    """Return votes @ L for one-hot support labels L, at a cost of query x support instead of x classes.

    >>> class_sums(torch.tensor([[1.0, 2.0, 4.0]]), torch.tensor([1, 0, 1]), 3).tolist()
    [[2.0, 5.0, 0.0]]
    """
    sums = votes.new_zeros((classes, votes.shape[0]))
    return sums.index_add_(0, labels, votes.T.contiguous()).T


def cache_logits(
    affinity: Float[Tensor, "query support"],
    labels: Int64[Tensor, " support"],
    weights: Float[Tensor, " support"],
    beta: float,
    classes: int,
) -> Float[Tensor, "query classes"]:
    """Return exp(-beta (1 - A)) diag(weights) L.

    Args:
        affinity: A, cosines of queries and support images.
        labels: class of each support image; L is its one-hot matrix.
        weights: weight of each support image (ones give the published sum; see ``support_weights``).
        beta: sharpness; a support image at cosine A counts exp(-beta (1 - A)).
        classes: number of columns. A class without support gets 0.

    >>> a = torch.tensor([[1.0, 0.5]])
    >>> cache_logits(a, torch.tensor([0, 1]), torch.ones(2), 2.0, 3).tolist()
    [[1.0, 0.367879..., 0.0]]
    """
    return class_sums(torch.exp(beta * affinity - beta) * weights, labels, classes)


def row_votes(
    query: Float[Tensor, "query dim"],
    keys: Float[Tensor, "support dim"],
    labels: Int64[Tensor, " support"],
    weights: Float[Tensor, " support"],
    beta: float,
    classes: int,
) -> Float[Tensor, "query classes"]:
    """Return ``cache_logits`` of the cosines of two sets of unit rows, in three passes over them instead of seven.

    The weights enter the exponent as their logarithms, and the product is made with a support image a row, as the sums need it. The last
    digits are others than those of ``cache_logits``. Quickest with labels in order.

    >>> rows = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> row_votes(rows[:1], rows, torch.tensor([0, 1]), torch.tensor([1.0, 0.0]), 2.0, 2).tolist()
    [[1.0, 0.0]]
    """
    if torch.compiler.is_exporting():  # a graph keeps the number of queries open only in the plain form
        return cache_logits(query @ keys.T, labels, weights, beta, classes)
    exponents = torch.addmm((weights.log() - beta)[:, None], keys, query.T, alpha=beta)
    sums = query.new_zeros((classes, len(query)))
    return sums.index_add_(0, labels, exponents.exp_()).T
