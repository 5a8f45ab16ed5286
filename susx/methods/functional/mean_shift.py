"""The mode of an image's views, each weighed by how well it fits the others (Zanella and Ben Ayed, MTA, CVPR 2024).

With views f_p of bandwidth h_p, k_p(m) = exp(-|f_p - m|^2 / 2 h_p^2) and w_pq the product of two views' zero-shot probabilities, inlierness
scores y and the mode m are found in turn, five rounds of at most five steps each:

    y = softmax((k(m) + lam_q w y) / lam_y),    m = normalise(sum_p y_p k_p(m) f_p)
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["mode_of_views"]

_ROUNDS = 5
_STILL = 1e-6  # a step shorter than this is the last
_NEAREST = 0.3  # share of the other views that a view's bandwidth is of
_LEAST = 1e-12  # squared bandwidth of views that are copies


def mode_of_views(
    views: Float[Tensor, "views dim"], logits: Float[Tensor, "views classes"], lam_y: float, lam_q: float
) -> Float[Tensor, " dim"]:
    """Return the unit mode, from the first view; with one view that view.

    Args:
        views: unit rows, the image itself first.
        logits: zero-shot of each view.
        lam_y: of the scores' entropy.
        lam_q: of what views say alike.
    """
    count = len(views)
    mode = views[0]
    if count < 2:
        return mode
    apart = torch.cdist(views[None], views[None])[0].square()
    near = apart.sort(dim=1).values[:, 1 : 1 + max(1, int(_NEAREST * (count - 1)))]
    width = (0.5 * near.mean(dim=1)).clamp(min=_LEAST)
    shares = logits.softmax(dim=1)
    alike = shares @ shares.T
    scores = views.new_full((count,), 1 / count)
    for _ in range(_ROUNDS):
        density = _density(views, mode, width)
        for _ in range(_ROUNDS):
            before, scores = scores, ((density + lam_q * (alike @ scores)) / lam_y).softmax(dim=0)
            if (scores - before).norm() < _STILL:
                break
        for _ in range(_ROUNDS):
            weights = _density(views, mode, width) * scores
            before, mode = mode, torch.nn.functional.normalize(weights @ views, dim=0)
            if (mode - before).norm() < _STILL:
                break
    return mode


def _density(
    views: Float[Tensor, "views dim"], mode: Float[Tensor, " dim"], width: Float[Tensor, " views"]
) -> Float[Tensor, " views"]:
    return torch.exp(-(views - mode).square().sum(dim=1) / (2 * width))
