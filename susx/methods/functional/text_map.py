"""Class means predicted from class prompts: kernel ridge regression over the classes.

Classes of like names look alike, so a map from text rows T to class means u, fitted over all classes at once, shares
evidence between them, mends means made from few or wrong images, and gives one to a class without images. With a bar
for the mean over the classes that have images, G = (T - T_bar)(T - T_bar)^T and lambda = strength trace(G) / classes,

    h = u_bar + G (G + lambda I)^-1 (u - u_bar)

(Saunders et al., "Ridge regression learning algorithm in dual variables", ICML 1998). Computed in whichever of the
two equal forms is smaller, classes x classes or dim x dim.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["text_map"]


def text_map(
    text: Float[Tensor, "classes dim"],
    means: Float[Tensor, "classes width"],
    has_images: Bool[Tensor, " classes"],
    strength: float = 1.0,
) -> Float[Tensor, "classes width"]:
    """Return h, one row per class, in float64.

    Args:
        text: one row per class; rows of a generic vocabulary may follow, with their means.
        means: u; rows of classes without images are not looked at.
        has_images: which classes have a mean; at least one.
        strength: lambda in units of the mean diagonal of G; 0 is not allowed.

    >>> t = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]])
    >>> u = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [0.0, 0.0]])
    >>> text_map(t, u, torch.tensor([True, True, False])).round(decimals=3).tolist()
    [[0.667, 1.0], [-0.667, 1.0], [0.667, 1.0]]
    """
    rows, seen_means = text.double(), means.double()[has_images]
    centred = rows - rows[has_images].mean(dim=0)
    seen = centred[has_images]
    centre = seen_means.mean(dim=0)
    penalty = strength * float(seen.square().sum()) / len(seen)
    if not penalty > 0:
        # One class, or one text row for all: the text cannot tell them apart.
        return centre.expand(len(rows), -1).clone()
    identity = torch.eye(min(seen.shape), dtype=torch.float64)
    weights: Tensor
    if len(seen) <= rows.shape[1]:
        weights = seen.T @ torch.linalg.solve(seen @ seen.T + penalty * identity, seen_means - centre)
    else:
        weights = torch.linalg.solve(seen.T @ seen + penalty * identity, seen.T @ (seen_means - centre))
    return centre + centred @ weights
