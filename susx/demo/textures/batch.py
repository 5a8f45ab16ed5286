"""Many pictures at once, drawn by a few processes. Workers import this module: it must stay light (no torch)."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from jaxtyping import UInt8

from susx.demo.textures.catalogue import CATEGORIES
from susx.demo.textures.drawn_split import SPLITS, render

__all__ = ["pictures"]


def pictures(
    split: str, count: int, workers: int = 2, size: int = 64
) -> UInt8[np.ndarray, "count size size 3"]:
    """Pictures 0 .. count-1 of a split, categories in turn (picture ``i`` has category ``i % 47``)."""
    chunks = [(split, start, min(start + 512, count), size) for start in range(0, count, 512)]
    if workers < 2:
        return np.concatenate([_chunk(chunk) for chunk in chunks])
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return np.concatenate(list(pool.map(_chunk, chunks)))


def _chunk(job: tuple[str, int, int, int]) -> UInt8[np.ndarray, "count size size 3"]:
    split, start, stop, size = job
    return np.stack(
        [render(CATEGORIES[i % len(CATEGORIES)], SPLITS[split], split, i, size) for i in range(start, stop)]
    )
