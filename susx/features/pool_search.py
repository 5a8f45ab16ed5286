"""A pool of image features as the source of a name-only support set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from susx.errors import InputError, MismatchError
from susx.methods.rows import checked_unit_rows

__all__ = ["PoolSupport", "nearest_rows", "nearest_rows_of_parts", "read_pool", "retrieve_from_pool"]

# One block of pool x classes similarities holds 64 MB of float32.
_BLOCK_NUMBERS = 16_000_000


@dataclass(frozen=True)
class PoolSupport:
    """Rows of the pool that were chosen, ordered by class and falling similarity.

    Attributes:
        rows: positions in the pool.
        labels: the class each supports.
        similarities: cosine with that class's prompt.
    """

    rows: Int64[Tensor, " support"]
    labels: Int64[Tensor, " support"]
    similarities: Float[Tensor, " support"]


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


def retrieve_from_pool(
    text: Float[Tensor, "classes dim"],
    pool: Float[Tensor, "rows dim"],
    per_class: int,
    *,
    exclusive: bool = False,
) -> PoolSupport:
    """Return the pool rows most similar to each class prompt, at most ``per_class`` of them.

    With ``exclusive`` a row supports one class only: pairs of row and class are taken in falling order of
    similarity, and a pair is passed over when its row is taken or its class is full. A row refused by a full
    class so goes to the class it is next most similar to, and a small pool may leave a class with fewer
    rows, or none. Without it, the default, each class takes its nearest rows whatever the others took, as
    independent searches of an index do: measured on real features of a pool with few images of the target's
    kind, the rows that an exclusive assignment pushes to second-best classes cost more accuracy than rows
    shared by similar classes do.

    Memory is bounded: the pool may be a memory map; similarities are computed in blocks and per class only
    the candidates that can still be chosen are kept.

    Args:
        text: unit rows of the class prompts.
        pool: unit rows of unlabelled images.
        per_class: images wanted per class.
        exclusive: whether one row may support one class only.

    Raises:
        InputError: an empty pool, or ``per_class`` below 1.
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
    classes = len(text)
    # A class is refused at most the rows that the other classes hold, so this many of its nearest always suffice;
    # beyond a few times per_class that is only memory, and candidates are cut there.
    wanted = min(len(pool), per_class * (min(classes, 64) if exclusive else 1))
    similarity, rows = nearest_rows(text, pool, wanted)
    taken = (
        _assign(similarity, rows, per_class, len(pool))
        if exclusive
        else torch.ones_like(rows, dtype=torch.bool)
    )
    labels = torch.arange(classes)[:, None].expand_as(rows)
    return PoolSupport(rows[taken], labels[taken], similarity[taken])


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


def _assign(
    similarity: Float[Tensor, "classes near"], rows: Int64[Tensor, "classes near"], per_class: int, pool: int
) -> Tensor:
    """Return which pairs are taken when they come in falling order of similarity."""
    classes, near = rows.shape
    free = torch.ones(pool, dtype=torch.bool).numpy()
    room = [per_class] * classes
    taken = torch.zeros(classes * near, dtype=torch.bool)
    flat = rows.flatten().tolist()
    for pair in similarity.flatten().argsort(descending=True, stable=True).tolist():
        label, row = pair // near, flat[pair]
        if room[label] and free[row]:
            free[row], taken[pair] = False, True
            room[label] -= 1
    return taken.view(classes, near)
