"""Assignments of a folder's images to classes that get a stated share of them each (Sinkhorn and Knopp 1967; Cuturi 2013).

As Qian et al. (InMaP, NeurIPS 2023) make labels of zero-shot probabilities P: columns are brought to the classes' shares, then
rows to one image each, over and over. Frolic (NeurIPS 2024) takes the same step.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor

__all__ = ["balanced"]


def balanced(
    logits: Float[Tensor, "query classes"], prior: float, rounds: int
) -> Float64[Tensor, "query classes"]:
    """Return the logarithm of the assignment; rows sum to 1.

    Args:
        logits: zero-shot.
        prior: power of the classes' shares by the prompts: 0 gives every class equally many images, 1 those shares.
        rounds: how often columns and rows are scaled.

    >>> balanced(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), 0.0, 20).exp().tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    log_plan = logits.double().log_softmax(dim=1)
    if not len(log_plan):
        return log_plan
    target = (prior * log_plan.logsumexp(dim=0)).log_softmax(dim=0) + torch.log(torch.tensor(len(log_plan)))
    for _ in range(rounds):
        log_plan = log_plan + (target - log_plan.logsumexp(dim=0))
        log_plan = log_plan.log_softmax(dim=1)
    return log_plan
