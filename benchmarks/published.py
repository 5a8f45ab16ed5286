"""The published procedures that the product is measured against, written from their description.

``divergence_batch`` and ``grid_points`` do what the TIP-X script of the SuS-X paper does at each step, with float32
torch on the CPU: both sides of a batch of divergences are repeated before their logarithms are taken; every (alpha,
beta) forms affinities, zero-shot logits and rescaled divergences anew; every gamma counts top-1 and top-5. The
``lean_*`` variants keep what does not change and count by one argmax: what a careful reader would write, not what was
published. Ratios are given against both.
"""

from __future__ import annotations

from torch import Tensor

BATCH = 100


def divergence_batch(query: Tensor, support: Tensor) -> Tensor:
    """Return KL of one batch of signatures with every pair of rows repeated in memory."""
    left = query.repeat_interleave(len(support), dim=0)
    right = support.repeat(len(query), 1)
    return (left * (left.log() - right.log())).sum(-1).view(len(query), len(support))


def lean_divergence_batch(query: Tensor, support: Tensor) -> Tensor:
    """Return the same by broadcasting, logarithms taken once per row."""
    ratio = query.log().unsqueeze(1) - support.log().unsqueeze(0)
    return (query.unsqueeze(1) * ratio).sum(-1)


def grid_points(
    query: Tensor,
    text: Tensor,
    support: Tensor,
    divergence: Tensor,
    one_hot: Tensor,
    labels: Tensor,
    points: list[tuple[float, float]],
    gammas: list[float],
) -> list[list[int]]:
    """Return correct rows for each (alpha, beta) pair and each gamma; ``divergence`` is rescaled already.

    Rescaling it once more, as is published, costs one pass and changes nothing but digits; it is done to a copy.
    """
    counts = []
    for alpha, beta in points:
        affinity = query @ support.T
        cache = (-(beta - beta * affinity)).exp() @ one_hot
        zero_shot = 100.0 * query @ text.T
        unit = (divergence - divergence.min()) / (divergence.max() - divergence.min())
        unit.mul_(affinity.max() - affinity.min()).add_(affinity.min())
        summed = -divergence @ one_hot
        counts.append([])
        for gamma in gammas:
            logits = zero_shot + summed * gamma + cache * alpha
            best = logits.topk(min(5, logits.shape[1]), 1, True, True)[1].t()
            right = best.eq(labels.view(1, -1).expand_as(best))
            counts[-1].append(int(right[:1].reshape(-1).float().sum()))
            right.reshape(-1).float().sum()  # top-5
    return counts


def lean_grid_points(
    query: Tensor,
    text: Tensor,
    support: Tensor,
    divergence: Tensor,
    one_hot: Tensor,
    labels: Tensor,
    points: list[tuple[float, float]],
    gammas: list[float],
) -> list[list[int]]:
    """Return the same counts with all that does not change formed once, before the first point."""
    affinity, zero_shot, summed = query @ support.T, 100.0 * query @ text.T, divergence @ one_hot
    counts = []
    for alpha, beta in points:
        cache = (beta * affinity - beta).exp() @ one_hot
        counts.append([])
        for gamma in gammas:
            logits = zero_shot + cache * alpha - summed * gamma
            counts[-1].append(int((logits.argmax(dim=1) == labels).sum()))
    return counts
