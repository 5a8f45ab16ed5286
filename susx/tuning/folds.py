"""Folds over a support set."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from susx.seeds import derive_seed

__all__ = ["support_folds"]


def support_folds(
    features: Float[Tensor, "support dim"], labels: Int64[Tensor, " support"], folds: int, seed: int
) -> Int64[Tensor, " support"]:
    """Return the fold of each support image: every class spread evenly, copies of one image together.

    Independent retrieval may give one image to several classes. Were its copies in different folds, the image
    would be classified with itself in the cache, under another label at that.

    >>> support_folds(torch.eye(4), torch.tensor([0, 0, 1, 1]), 2, seed=0).view(2, 2).sum(dim=1).tolist()
    [1, 1]
    """
    _, group = torch.unique(features, dim=0, return_inverse=True)
    generator = torch.Generator().manual_seed(derive_seed(seed, "support folds"))
    order = torch.randperm(len(labels), generator=generator)
    members: dict[int, set[int]] = {}
    for row, owner in enumerate(group.tolist()):
        members.setdefault(owner, set()).add(int(labels[row]))
    held = torch.zeros((int(labels.max()) + 1, folds), dtype=torch.int64)
    of_group: dict[int, int] = {}
    for owner in group[order].tolist():
        if owner not in of_group:
            classes = sorted(members[owner])
            # The fold in which the image's classes hold least so far, the first of equals.
            of_group[owner] = int(held[classes].sum(dim=0).argmin())
            held[classes, of_group[owner]] += 1
    return torch.tensor([of_group[owner] for owner in group.tolist()])
