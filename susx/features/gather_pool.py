"""Pool statistics gathered in one pass over memory-mapped parts, and merged.

Moments are float64 sums around the part's own mean, joined as by Chan, Golub & LeVeque ("Updating formulae and a
pairwise algorithm for computing sample variances", 1979), so the order and sizes of the parts do not matter beyond
rounding. Similarities are computed in float32 to find each class's best rows and again in float64 for those rows.
Memory is one block of rows, whatever the pool's size.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from susx.errors import MismatchError
from susx.methods.pool_statistics import NEAREST, PoolStatistics
from susx.types import Digest

__all__ = [
    "gather_pool_statistics",
    "merge_pool_statistics",
    "text_digest",
]

# One block holds 32 MB of similarities at 397 classes.
_BLOCK_NUMBERS = 8_000_000
_MOST_ROWS = 16_384
# float32 moves a similarity of 30 by less than this.
_ROUNDING = 1e-3


def text_digest(text: Float[Tensor, "classes dim"], logit_scale: float) -> Digest:
    """Return the digest of prompts as pool statistics remember it."""
    state = hashlib.sha256(repr((tuple(text.shape), float(logit_scale))).encode())
    state.update(np.ascontiguousarray(text.detach().cpu().float().numpy()).tobytes())
    return state.hexdigest()


def gather_pool_statistics(
    text: Float[Tensor, "classes dim"],
    logit_scale: float,
    parts: Iterable[np.ndarray],
    encoder: Digest,
) -> PoolStatistics:
    """Return the statistics of the parts, each read once, in blocks.

    NaN, infinite and zero rows are counted and left out; rows are brought to unit norm.

    Args:
        text: unit rows of the class prompts.
        logit_scale: of the cosines.
        parts: matrices (rows, dim) of real numbers, memory maps among them.
        encoder: digest of the encoder that made both.

    Raises:
        MismatchError: a part of another width than the prompts; names it by its place.
    """
    classes, dim = text.shape
    prompts = text.detach().float()
    total = _nothing(classes, dim, encoder, text_digest(text, logit_scale))
    step = max(1, min(_MOST_ROWS, _BLOCK_NUMBERS // classes))
    for number, part in enumerate(parts):
        if part.ndim != 2 or part.shape[1] != dim:
            raise MismatchError(
                f"Part {number} of the pool has shape {tuple(part.shape)}, expected rows of width {dim} as in the text "
                "classifier. Encode both with one model."
            )
        for start in range(0, len(part), step):
            block = torch.from_numpy(np.array(part[start : start + step], dtype=np.float32))
            total = merge_pool_statistics(total, _of_block(total, prompts, logit_scale, block))
    return total


def merge_pool_statistics(one: PoolStatistics, other: PoolStatistics) -> PoolStatistics:
    """Return the statistics of two pools together.

    Equal z are ordered by ``is_best``, so the result does not depend on which pool comes first.

    Raises:
        MismatchError: they differ in encoder or prompts.
    """
    for what in ("encoder", "text"):
        if getattr(one, what) != getattr(other, what):
            raise MismatchError(
                f"Pool statistics of different {what}s cannot be merged ({getattr(one, what)[:12]} and "
                f"{getattr(other, what)[:12]}). Gather both with the same encoder and class prompts."
            )
    count = one.count + other.count
    share = other.count / max(1, count)
    shift = other.mean - one.mean
    covariance = one.covariance * (1 - share) + other.covariance * share
    nearest, is_best = _best(one.nearest, other.nearest, one.is_best, other.is_best)
    return dataclasses.replace(
        one,
        count=count,
        skipped=one.skipped + other.skipped,
        mean=one.mean + share * shift,
        covariance=covariance + share * (1 - share) * torch.outer(shift, shift),
        nearest=nearest,
        is_best=is_best,
    )


def _nothing(classes: int, dim: int, encoder: Digest, text: Digest) -> PoolStatistics:
    """Return the statistics of no rows."""
    return PoolStatistics(
        encoder=encoder,
        text=text,
        count=0,
        skipped=0,
        mean=torch.zeros(dim, dtype=torch.float64),
        covariance=torch.zeros(dim, dim, dtype=torch.float64),
        nearest=torch.full((classes, NEAREST), float("-inf"), dtype=torch.float64),
        is_best=torch.zeros(classes, NEAREST, dtype=torch.bool),
    )


def _of_block(total: PoolStatistics, text: Tensor, logit_scale: float, block: Tensor) -> PoolStatistics:
    """Return the statistics of one block, of whose rows only those are looked at that ``total`` still lets in."""
    norms = block.norm(dim=1)
    usable = norms.isfinite() & (norms > 0)
    rows = block[usable] / norms[usable, None]
    empty = _nothing(len(text), text.shape[1], total.encoder, total.text)
    if not len(rows):
        return dataclasses.replace(empty, skipped=len(block))
    z = logit_scale * (rows @ text.T)
    unique_rows: Tensor = torch.unique(_contenders(z, total.nearest))  # type: ignore[no-untyped-call]
    exact = rows[unique_rows].double()
    z = logit_scale * (exact @ text.double().T)
    best = torch.zeros_like(z, dtype=torch.bool)
    if len(z):
        best[torch.arange(len(z)), z.argmax(dim=1)] = True
    nearest, is_best = _best(empty.nearest, z.T, empty.is_best, best.T)
    values = rows.double()
    mean = values.mean(dim=0)
    values -= mean
    return dataclasses.replace(
        empty,
        count=len(rows),
        skipped=len(block) - len(rows),
        mean=mean,
        covariance=values.T @ values / len(rows),
        nearest=nearest,
        is_best=is_best,
    )


def _contenders(values: Tensor, best: Tensor) -> Tensor:
    """Return the rows of a block that may be among the best of a class."""
    places = min(best.shape[1], len(values))
    highest, rows = values.topk(places, dim=0)
    return rows[highest >= best[:, -1].float() - _ROUNDING]


def _best(one: Tensor, other: Tensor, one_key: Tensor, other_key: Tensor) -> tuple[Tensor, Tensor]:
    """Return as many of the largest values of each class as ``one`` has, with their keys; equal values by key."""
    keys, order = torch.cat([one_key, other_key], dim=1).sort(dim=1, stable=True)
    values, places = torch.cat([one, other], dim=1).gather(1, order).sort(dim=1, descending=True, stable=True)
    most = one.shape[1]
    return values[:, :most].contiguous(), keys.gather(1, places)[:, :most].contiguous()
