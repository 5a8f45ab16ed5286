"""The captioned pool: what a crawl of a small web would hold, and the pictures themselves.

Categories come in unequal shares (a Zipf-like law), captions are noisy (``captions.py``), one row in fifty repeats another
row's picture under another address, and licences and NSFW marks are those a LAION table has. Rows and pictures
are drawn from a seed; pictures belong to the ``pool`` split and so share nothing with ``train``, ``val`` or ``test``.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from PIL import Image

from susx.children import without_main_module
from susx.demo.captions import Kind, caption, caption_kind, dominant_colours
from susx.demo.textures import CATEGORIES, render
from susx.errors import InputError
from susx.seeds import derive_seed

__all__ = ["DUPLICATE_SHARE", "POOL_SIZE", "Drawn", "PoolRow", "draw_pool", "pool_rows"]

POOL_SIZE = 8_000
#: Share of rows that show another row's picture again, in another JPEG quality.
DUPLICATE_SHARE = 0.02
#: Exponent of the category shares: with 47 categories the largest is about seven times the smallest.
ZIPF = 0.5

_SITES = ("pictures", "fabrics", "stock", "blog", "shop", "archive", "craft", "geo")
_LICENCES = ("?", "cc-by", "cc-by-sa", "cc0", "cc-by-nc")
_NSFW = ("UNLIKELY", "UNSURE", "NSFW")


@dataclass(frozen=True)
class PoolRow:
    """One row of the pool. ``category`` and ``kind`` are the hidden truth: tests may read them, an index never has them."""

    id: int
    category: str
    kind: Kind
    picture: int
    quality: int
    url: str
    licence: str
    nsfw: str
    width: int
    height: int


@dataclass(frozen=True)
class Drawn:
    """A row's picture as JPEG bytes, and its caption (which names the picture's colours, so it comes with it)."""

    row: PoolRow
    caption: str
    jpeg: bytes


def pool_rows(n: int = POOL_SIZE, root_seed: int = 0, size: int = 64) -> list[PoolRow]:
    """Draw the rows of the pool, in the order of their ids.

    Args:
        n: how many rows, at least 47.
        root_seed: another root gives another pool of the same kind.
        size: width and height of the pictures in pixels.

    Raises:
        InputError: fewer rows than categories.
    """
    if n < len(CATEGORIES):
        raise InputError(f"pool: expected at least {len(CATEGORIES)} rows, one per category, found {n}.")
    rng = np.random.default_rng(derive_seed(root_seed, "pool rows"))
    shares = (1.0 + rng.permutation(len(CATEGORIES))) ** -ZIPF
    labels = rng.choice(len(CATEGORIES), size=n, p=shares / shares.sum())
    labels[: len(CATEGORIES)] = rng.permutation(len(CATEGORIES))
    return _rows(labels.tolist(), rng, root_seed, size)


def draw_pool(rows: Sequence[PoolRow], root_seed: int = 0, workers: int = 2) -> Iterator[Drawn]:
    """Draw the pictures and captions of rows, in order, with ``workers`` processes."""
    chunks = [rows[start : start + 250] for start in range(0, len(rows), 250)]
    if workers < 2 or len(chunks) < 2:
        for chunk in chunks:
            yield from _draw(chunk, root_seed)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        with without_main_module():  # all workers start with the first job
            pictures = pool.map(_draw, chunks, [root_seed] * len(chunks))
        for drawn in pictures:
            yield from drawn


def _draw(rows: Sequence[PoolRow], root_seed: int) -> list[Drawn]:
    drawn = []
    for row in rows:
        pixels = render(row.category, "web", "pool", row.picture, row.width)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=row.quality, subsampling=0)
        rng = np.random.default_rng(derive_seed(root_seed, "pool caption", row.id))
        text = caption(row.category, rng, dominant_colours(pixels), row.kind)
        drawn.append(Drawn(row, text, file.getvalue()))
    return drawn


def _rows(labels: list[int], rng: np.random.Generator, root_seed: int, size: int) -> list[PoolRow]:
    rows: list[PoolRow] = []
    for number, label in enumerate(labels):
        category, picture, quality = CATEGORIES[label], number, int(rng.integers(82, 96))
        if rows and rng.random() < DUPLICATE_SHARE:
            earlier = rows[int(rng.integers(len(rows)))]
            category, picture = earlier.category, earlier.picture
        site = _SITES[int(rng.integers(len(_SITES)))]
        rows.append(
            PoolRow(
                id=number,
                category=category,
                kind=caption_kind(category, rng),
                picture=picture,
                quality=quality,
                url=f"https://{site}{int(rng.integers(1, 40))}.example/{derive_seed(root_seed, 'url', number):016x}.jpg",
                licence=_LICENCES[int(rng.choice(5, p=(0.6, 0.15, 0.1, 0.1, 0.05)))],
                nsfw=_NSFW[int(rng.choice(3, p=(0.97, 0.02, 0.01)))],
                width=size,
                height=size,
            )
        )
    return rows
