"""The hubness bias: how strongly a class prompt attracts images whatever they show.

Some prompts are near neighbours of many images (hubs). With z the scaled cosines of an unlabelled pool, b_c the mean
of the class's N largest z_ic and A the share of those images whose own best class is c, averaged over classes, the
logits become z - A b: nearest-neighbour normalisation (Chowdhury et al., "Nearest Neighbor Normalization Improves
Multimodal Retrieval", EMNLP 2024), weighted by how far the nearest images belong to the class at all.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["hubness_bias"]


def hubness_bias(
    largest: Float[Tensor, "classes nearest"], is_best: Bool[Tensor, "classes nearest"]
) -> Float[Tensor, " classes"]:
    """Return A b, to be subtracted from the logits. Zero where nothing is known of any class.

    Args:
        largest: the pool's largest z of each class; minus infinity where the pool had fewer rows.
        is_best: whether that image's best class is this one.

    >>> hubness_bias(torch.tensor([[30.0, 28.0], [25.0, 23.0]]), torch.tensor([[True, False], [True, False]]))
    tensor([14.5000, 12.0000])
    """
    seen = torch.isfinite(largest)
    count = seen.sum(dim=1)
    if not bool((count > 0).all()):
        return largest.new_zeros(len(largest))
    bias = torch.where(seen, largest, torch.zeros_like(largest)).sum(dim=1) / count
    agreement = ((is_best & seen).sum(dim=1) / count).mean()
    return bias * agreement.to(bias)
