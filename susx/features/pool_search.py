"""A pool of image features as the source of a name-only support set."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from susx.config import OVER_FETCH
from susx.errors import InputError, MismatchError
from susx.features.feature_set import Split
from susx.methods.functional.support_choice import choose_support, wanted
from susx.methods.unit_rows import checked_unit_rows

__all__ = ["nearest_rows", "nearest_rows_of_parts", "read_pool", "support_from_pool"]

# One block of pool x classes similarities holds 64 MB of float32.
_BLOCK_NUMBERS = 16_000_000


def read_pool(folder: Path) -> Float[Tensor, "rows dim"]:
    """Return the rows of ``folder/features.npy`` as a memory map, in the type they are stored in.

    Raises:
        InputError: no such file, or no matrix of real numbers in it.
    """
    file = folder / "features.npy"
    try:
        rows = np.load(file, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{file}: expected a matrix of image features, one row per image ({error})."
        ) from error
    if rows.ndim != 2 or not np.issubdtype(rows.dtype, np.floating):
        raise InputError(
            f"{file}: expected a matrix of real numbers, found shape {rows.shape} of {rows.dtype}."
        )
    return torch.from_numpy(rows)


def support_from_pool(
    text: Float[Tensor, "classes dim"],
    logit_scale: float,
    pool: Float[Tensor, "rows dim"],
    per_class: int,
    depth: float = OVER_FETCH,
) -> Split:
    """Return the support that a pool of features gives each class, as a build's search and curation choose it.

    The candidates of a class are its nearest rows (what an index answers), and ``choose_support`` chooses among them. The
    pool may be a memory map: similarities are computed in blocks. NaN, infinite and zero rows are left out.

    Args:
        text: unit rows of the class prompts.
        logit_scale: of the cosines.
        pool: rows of unlabelled images.
        per_class: images wanted of each class.
        depth: candidates for every image wanted (``retrieval.over_fetch`` of a build).

    Returns:
        Unit rows and their classes, by class and then best first.

    Raises:
        InputError: a pool without usable rows, ``per_class`` below 1.
        MismatchError: pool and prompts have different widths.
    """
    if per_class < 1:
        raise InputError(f"Images per class must be 1 or more, found {per_class}.")
    if pool.ndim != 2 or not len(pool):
        raise InputError(
            f"The pool holds no features (shape {tuple(pool.shape)}). Give a pool with at least one row."
        )
    if pool.shape[1] != text.shape[1]:
        raise MismatchError(
            f"The pool has {pool.shape[1]} columns, the text classifier {text.shape[1]}: encode both with one model."
        )
    usable = _usable_rows(pool)
    if not len(usable):
        raise InputError(
            f"Every row of the pool is NaN, infinite or zero ({len(pool)} rows). Encode it again."
        )
    rows = pool if len(usable) == len(pool) else pool[usable]
    _, nearest = nearest_rows(text, rows, min(len(rows), wanted(per_class, depth)))
    candidates = checked_unit_rows(rows[nearest.flatten()], "pool rows")
    labels = torch.arange(len(text)).repeat_interleave(nearest.shape[1])
    kept = choose_support(text, logit_scale, candidates, labels, per_class).kept
    return Split(candidates[kept], labels[kept])


def nearest_rows(
    text: Float[Tensor, "classes dim"], pool: Float[Tensor, "rows dim"], wanted: int
) -> tuple[Float[Tensor, "classes near"], Int64[Tensor, "classes near"]]:
    """Return similarities and positions of each text row's nearest pool rows, nearest first, in bounded memory.

    Raises:
        InputError: a NaN, infinite or zero row.
    """
    return nearest_rows_of_parts(text, [pool], wanted)


def nearest_rows_of_parts(
    text: Float[Tensor, "classes dim"], parts: Iterable[Tensor], wanted: int
) -> tuple[Float[Tensor, "classes near"], Int64[Tensor, "classes near"]]:
    """Do the same over a pool in parts [rows, dim]; positions count through them.

    Raises:
        InputError: a NaN, infinite or zero row.
    """
    classes = len(text)
    step = max(wanted, _BLOCK_NUMBERS // classes)
    best, rows = text.new_zeros((classes, 0)), torch.zeros((classes, 0), dtype=torch.int64)
    begin = 0
    for part in parts:
        for start in range(0, len(part), step):
            checked = checked_unit_rows(part[start : start + step], f"pool rows from {begin + start}")
            block = text @ checked.T
            near, positions = block.topk(min(wanted, block.shape[1]), dim=1)
            both = torch.cat([best, near], dim=1)
            where = torch.cat([rows, positions + begin + start], dim=1)
            best, order = both.sort(dim=1, descending=True, stable=True)
            best, rows = best[:, :wanted], where.gather(1, order[:, :wanted])
        begin += len(part)
    return best, rows


def _usable_rows(pool: Float[Tensor, "rows dim"]) -> Int64[Tensor, " usable"]:
    """Return the positions of rows with a finite norm above 0."""
    step = max(1, _BLOCK_NUMBERS // pool.shape[1])
    norms = [pool[start : start + step].float().norm(dim=1) for start in range(0, len(pool), step)]
    lengths = torch.cat(norms)
    return (lengths.isfinite() & (lengths > 0)).nonzero()[:, 0]
