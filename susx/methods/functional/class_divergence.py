"""The divergence term of TIP-X summed per class, without a query x support matrix."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

__all__ = ["class_divergence", "class_log_signatures"]


def class_log_signatures(
    log_q: Float[Tensor, "support prompts"],
    labels: Int64[Tensor, " support"],
    weights: Float[Tensor, " support"],
    classes: int,
) -> Float[Tensor, "classes prompts"]:
    """Return the weighted sums of the support images' log-signatures, one row per class, in float64.

    Args:
        log_q: log-signatures of the support images.
        labels: their classes.
        weights: their weights.
        classes: number of rows; a class without support gets zeros.

    >>> class_log_signatures(torch.zeros(2, 3), torch.tensor([0, 0]), torch.ones(2), 2).shape
    torch.Size([2, 3])
    """
    sums = log_q.new_zeros((classes, log_q.shape[1]), dtype=torch.float64)
    return sums.index_add_(0, labels, log_q.double() * weights.double()[:, None])


def class_divergence(
    log_p: Float[Tensor, "query prompts"],
    sums: Float[Tensor, "classes prompts"],
    mass: Float[Tensor, " classes"],
) -> Float[Tensor, "query classes"]:
    """Return M L, the divergences KL(p_i || q_j) summed over each class's support images, in float64.

    KL is linear in log q, so the sum over a class needs only the sum of its log-signatures:

        sum_{j in c} w_j KL(p_i || q_j) = mass_c sum_k p_ik log p_ik - sum_k p_ik sum_{j in c} w_j log q_jk

    which costs query x classes x prompts whatever the size of the support set.

    Args:
        log_p: log-signatures of the query images.
        sums: ``class_log_signatures`` of the support images.
        mass: sum of the weights of each class.

    >>> p = torch.tensor([[0.5, 0.5]], dtype=torch.float64).log()
    >>> q = torch.tensor([[0.25, 0.75]], dtype=torch.float64).log()
    >>> class_divergence(p, q, torch.ones(1, dtype=torch.float64)).item()
    0.143841...
    """
    p = log_p.double().exp()
    negative_entropy = (p * log_p).sum(dim=-1, keepdim=True)
    return negative_entropy * mass.double() - p @ sums.double().T
