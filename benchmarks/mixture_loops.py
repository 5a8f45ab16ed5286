"""TransCLIP and StatA read directly from the steps of their released solvers: every image minus every mean, channel by channel, in the rows' precision.

The released solvers work in float32. What the project's own are timed against and must equal; in float64 to the last digits. StatA's first
variance is divided once (see ``susx.methods.stata``).
"""

from __future__ import annotations

import torch
from torch import Tensor

NEIGHBOURS, ROUNDS, INNER, CONFIDENT = 3, 10, 5, 8


def affinities(rows: Tensor) -> Tensor:
    """Return W: cosines of each row with its three nearest others, as a sparse matrix."""
    alike = rows @ rows.T
    near = alike.topk(NEIGHBOURS + 1, dim=1).indices[:, 1:]
    start = torch.arange(len(rows)).repeat_interleave(NEIGHBOURS)
    values = alike[start, near.flatten()]
    ends = torch.stack([start, near.flatten()])
    return torch.sparse_coo_tensor(ends, values, (len(rows), len(rows)), check_invariants=True)


def densities(rows: Tensor, means: Tensor, variances: Tensor, chunk: int = 500) -> Tensor:
    """Return -1/2 of the sum over channels of squared differences over variances."""
    parts = [
        -0.5 * ((part[:, None, :] - means[None]) ** 2 / variances).sum(dim=2) for part in rows.split(chunk)
    ]
    return torch.cat(parts)


def new_shares(prompts: Tensor, likely: Tensor, graph: Tensor, shares: Tensor) -> Tensor:
    """Return z after the inner rounds."""
    for _ in range(INNER):
        value = likely + 50 / (2 * NEIGHBOURS) * (graph.T @ shares + graph @ shares)
        value = value - value.max(dim=1, keepdim=True).values
        shares = prompts * torch.exp(value / 50)
        shares = shares / shares.sum(dim=1, keepdim=True)
    return shares


def spread(rows: Tensor, shares: Tensor, means: Tensor, chunk: int = 500) -> Tensor:
    """Return the sum over images of z times squared differences, for every class and channel."""
    total = torch.zeros_like(means)
    for part, weights in zip(rows.split(chunk), shares.split(chunk), strict=True):
        total += (weights[:, :, None] * (part[:, None, :] - means[None]) ** 2).sum(dim=0)
    return total


def transclip_loop(rows: Tensor, text: Tensor, scale: float = 100.0) -> Tensor:
    """Return z."""
    prompts = (scale * rows @ text.T).softmax(dim=1)
    shares = prompts.clone()
    means = []
    for of_class in shares.T:
        best = of_class.topk(min(CONFIDENT, len(rows))).indices
        means.append((rows[best] * of_class[best, None]).mean(dim=0))
    centre = torch.nn.functional.normalize(torch.stack(means))
    variances = torch.full((rows.shape[1],), 1 / rows.shape[1], dtype=rows.dtype)
    graph = affinities(rows)
    for step in range(ROUNDS + 1):
        shares = new_shares(prompts, densities(rows, centre, variances), graph, shares)
        if step < ROUNDS:
            centre = torch.nn.functional.normalize(shares.T @ rows / shares.sum(dim=0)[:, None])
            variances = spread(rows, shares, centre).sum(dim=0) / shares.sum()
    return shares


def stata_loop(rows: Tensor, text: Tensor, scale: float = 100.0, anchor: float = 1.0) -> Tensor:
    """Return z."""
    prompts = (scale * rows @ text.T).softmax(dim=1)
    shares, centre = prompts.clone(), text
    first = spread(rows, shares, text).sum(dim=0) / len(rows)
    variances = first.repeat(len(text), 1)
    graph = affinities(rows)
    for step in range(ROUNDS + 1):
        likely = densities(rows, centre, variances) - variances.log().sum(dim=1) / 2
        shares = new_shares(prompts, likely, graph, shares)
        if step < ROUNDS:
            chosen = torch.bincount(shares.argmax(dim=1), minlength=len(text))
            trust = (chosen / (anchor + chosen + 1e-12))[:, None]
            own = torch.nn.functional.normalize(shares.T @ rows / shares.sum(dim=0)[:, None])
            centre = torch.nn.functional.normalize(trust * own + (1 - trust) * text)
            around = spread(rows, shares, centre) / shares.sum(dim=0)[:, None]
            variances = trust * around + (1 - trust) * (first + (text - centre) ** 2)
    return shares
