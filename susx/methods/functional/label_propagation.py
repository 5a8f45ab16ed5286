"""Label propagation over a graph of class prompts and images (Stojnic et al., ZLaP, CVPR 2024; Zhou et al., NeurIPS 2003).

Nodes are the prompts and the images. An image is joined to its nearest images by their cosine and to its nearest prompts
by their cosine to the power gamma (the two kinds of cosine are of different size). With A the graph, both ways, D its degrees
and W = D^-1/2 A D^-1/2, what reaches each node from the class prompts is (I - alpha W)^-1 [I; 0].
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Float64
from scipy import sparse
from torch import Tensor

from susx.methods.functional.neighbours import nearest_others

__all__ = ["propagated"]

_LEFT = 1e-9  # what the series may leave out, as a share of what reached a node


def propagated(
    rows: Float[Tensor, "query dim"],
    text: Float[Tensor, "classes dim"],
    neighbours: int,
    gamma: float,
    alpha: float,
) -> Float64[Tensor, "query classes"]:
    """Return what reaches each image from each class prompt, 0 where nothing does.

    The inverse is its series sum_t alpha^t W^t, whose terms shrink by alpha each; the released code has conjugate
    gradients to 1e-6.

    Args:
        rows: unit rows of the images.
        text: unit rows of the class prompts.
        neighbours: k; the released code counts an image among its own k and then drops it, so that k - 1 others are left.
        gamma: power of the cosines with prompts.
        alpha: share that a node passes on, below 1.
    """
    classes, images = len(text), len(rows)
    near, alike = nearest_others(rows, neighbours - 1)
    best = (rows @ text.T).topk(min(neighbours, classes), dim=1)
    weights = torch.cat([alike.clamp(min=0), best.values.clamp(min=0) ** gamma], dim=1).double()
    ends = torch.cat([near + classes, best.indices], dim=1)
    starts = (torch.arange(images) + classes).repeat_interleave(ends.shape[1])
    size = classes + images
    one_way = sparse.csr_matrix(
        (weights.flatten().numpy(), (starts.numpy(), ends.flatten().numpy())), shape=(size, size)
    )
    graph = one_way + one_way.T
    degrees = np.asarray(graph.sum(axis=1)).ravel()
    scale = sparse.diags(1 / np.sqrt(np.where(degrees > 0, degrees, 1.0)))
    passed = (alpha * (scale @ graph @ scale)).tocsr()
    reached = np.eye(size, classes)
    term = reached
    for _ in range(math.ceil(math.log(_LEFT) / math.log(alpha)) if alpha > 0 else 0):
        term = passed @ term
        reached = reached + term
    return torch.from_numpy(reached[classes:])
