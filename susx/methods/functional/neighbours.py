"""Each row's nearest other rows by cosine, and the symmetric graph of them."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

__all__ = ["nearest_others", "neighbour_graph"]

_BLOCK = 2048  # rows whose cosines with all others are held at once


def nearest_others(
    rows: Float[Tensor, "query dim"], count: int
) -> tuple[Int64[Tensor, "query neighbours"], Float[Tensor, "query neighbours"]]:
    """Return the nearest other rows of each row and their cosines; all others where there are fewer than ``count``.

    >>> nearest_others(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]), 1)[0].flatten().tolist()
    [2, 2, 1]
    """
    count = min(count, len(rows) - 1)
    numbers, cosines = [], []
    for start in range(0, len(rows), _BLOCK):
        alike = rows[start : start + _BLOCK] @ rows.T
        diagonal = torch.arange(start, start + len(alike))
        alike[diagonal - start, diagonal] = -torch.inf
        best = alike.topk(max(0, count), dim=1)
        numbers.append(best.indices)
        cosines.append(best.values)
    return torch.cat(numbers), torch.cat(cosines)


def neighbour_graph(rows: Float[Tensor, "query dim"], count: int) -> Float64[Tensor, "query query"]:
    """Return W + W^T, sparse, where W holds each row's cosines with its ``count`` nearest others."""
    numbers, cosines = nearest_others(rows, count)
    start = torch.arange(len(rows)).repeat_interleave(numbers.shape[1])
    ends = torch.stack([start, numbers.flatten()])
    both = torch.cat([ends, ends.flip(0)], dim=1)
    values = cosines.flatten().double().repeat(2)
    return torch.sparse_coo_tensor(both, values, (len(rows), len(rows)), check_invariants=True).coalesce()
