"""Label propagation over a graph that grows by one image at a time (Li et al., ECALP, ICLR 2025).

Nodes are the class prompts and the images so far. An image is joined to its nearest prompts by their cosine, and to its nearest
images by a cosine in which the channels count by their variance over the prompts; both to the power gamma. As the released code has it,
the newest image stands in the graph twice while it is judged, an image may be its own neighbour, and what an image
passes on at the start is a fifth of its best score of the time before. With W = D^-1/2 (A + A^T) D^-1/2,

    Y_images <- W_images [Y_prompts; Y_images]      three times over
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float64
from scipy import sparse
from torch import Tensor

__all__ = ["growing_graph_scores", "prompt_weights"]

_KEPT = 5.0  # what a best score is divided by before it is passed on
_ROUNDING = 1e-6  # added to the root of a degree


def prompt_weights(text: Float[Tensor, "classes dim"]) -> Float[Tensor, " dim"]:
    """Return the variance of the prompts in each channel, as a unit vector; ones for one class."""
    if len(text) < 2:
        return torch.ones_like(text[0])
    return torch.nn.functional.normalize(text.var(dim=0), dim=0)


def growing_graph_scores(
    rows: Float[Tensor, "query dim"],
    text: Float[Tensor, "classes dim"],
    neighbours: int,
    prompts: int,
    gamma: float,
    rounds: int,
) -> Float64[Tensor, "query classes"]:
    """Return what reaches each image from each class prompt at the time it comes. Work grows with the square of the stream.

    Args:
        rows: unit rows, in their order.
        text: unit rows of the class prompts.
        neighbours, prompts: joined to an image.
        gamma: power of the cosines.
        rounds: of propagation.
    """
    count, classes = len(rows), len(text)
    weighed = torch.nn.functional.normalize(rows * prompt_weights(text)).numpy()
    images = rows.numpy()
    best = (rows @ text.T).topk(min(prompts, classes), dim=1)
    to_text, of_text = best.indices.numpy(), best.values.clamp(min=0).double().numpy() ** gamma
    # Of every image so far its nearest ones; a place that is free is cosine -inf to no image.
    near = np.zeros((count + 1, neighbours), dtype=np.int64)
    alike = np.full((count + 1, neighbours), -np.inf)
    passed = np.zeros((count + 1, classes))
    all_scores = np.zeros((count, classes))
    for new in range(count):
        twin = new + 1
        # Between two images the older one's channels are weighed.
        cosines = (weighed[: new + 1] @ images[new]).astype(np.float64)
        _join(near, alike, new, cosines[:new])
        with_twin = near[: twin + 1].copy(), alike[: twin + 1].copy()
        _join(*with_twin, twin, cosines[:new])
        for node in (new, twin):
            _put(*with_twin, node, np.append(cosines, cosines[new]))
        _put(near, alike, new, cosines)
        texts = np.append(np.arange(new + 1), new)
        weights = np.where(np.isfinite(with_twin[1]), np.maximum(with_twin[1], 0.0) ** gamma, 0.0)
        scores = _propagate(with_twin[0], weights, to_text[texts], of_text[texts], passed[: twin + 1], rounds)
        all_scores[new] = scores[twin]
        passed[: new + 1] = 0.0
        choice = scores[:twin].argmax(axis=1)
        passed[np.arange(twin), choice] = scores[np.arange(twin), choice] / _KEPT
    return torch.from_numpy(all_scores)


def _put(near: np.ndarray, alike: np.ndarray, node: int, cosines: np.ndarray) -> None:
    """Give a node its nearest of the images whose cosines these are."""
    order = np.argsort(-cosines, kind="stable")[: near.shape[1]]
    near[node, : len(order)], alike[node, : len(order)] = order, cosines[order]


def _join(near: np.ndarray, alike: np.ndarray, new: int, cosines: np.ndarray) -> None:
    """Put an image among the neighbours of those before it that it is nearer to than their last."""
    olds = np.arange(len(cosines))
    last = alike[olds].argmin(axis=1) if len(olds) else olds
    nearer = cosines > alike[olds, last]
    near[olds[nearer], last[nearer]] = new
    alike[olds[nearer], last[nearer]] = cosines[nearer]


def _propagate(
    near: np.ndarray,
    alike: np.ndarray,
    to_text: np.ndarray,
    of_text: np.ndarray,
    start: np.ndarray,
    rounds: int,
) -> np.ndarray:
    """Return the scores of all images after the rounds."""
    images, classes = start.shape
    ends = np.concatenate([near + classes, to_text], axis=1)
    weights = np.concatenate([alike, of_text], axis=1)
    starts = np.repeat(np.arange(images) + classes, ends.shape[1])
    size = classes + images
    one_way = sparse.csr_matrix((weights.ravel(), (starts, ends.ravel())), shape=(size, size))
    graph = one_way + one_way.T
    scale = sparse.diags(1 / (np.sqrt(np.asarray(graph.sum(axis=1)).ravel()) + _ROUNDING))
    whole = (scale @ graph @ scale).tocsr()[classes:]
    fixed, among = whole[:, :classes].toarray(), whole[:, classes:]
    scores = start
    for _ in range(rounds):
        scores = fixed + among @ scores
    return scores
