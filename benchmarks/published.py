"""The published procedures that the product is measured against, written from their description.

Both follow the TIP-X script of the SuS-X paper step by step, with float32 torch on the CPU. Where the
description leaves a choice the cheaper one is taken: products that do not change with gamma are kept, and
accuracy is one argmax.
"""

from __future__ import annotations

from torch import Tensor

BATCH = 100


def divergence_batch(query: Tensor, support: Tensor) -> Tensor:
    """Return KL of one batch of signatures by forming batch x support x classes."""
    ratio = query.log().unsqueeze(1) - support.log().unsqueeze(0)
    return (query.unsqueeze(1) * ratio).sum(-1)


def grid_points(
    zero_shot: Tensor,
    affinity: Tensor,
    divergence: Tensor,
    one_hot: Tensor,
    labels: Tensor,
    points: list[tuple[float, float]],
    gammas: list[float],
) -> list[list[int]]:
    """Return correct rows for each (alpha, beta) pair and each gamma, all logits formed at every point."""
    summed = divergence @ one_hot
    counts = []
    for alpha, beta in points:
        cache = (beta * affinity - beta).exp() @ one_hot
        counts.append([])
        for gamma in gammas:
            logits = zero_shot + cache * alpha - summed * gamma
            counts[-1].append(int((logits.argmax(dim=1) == labels).sum()))
    return counts
