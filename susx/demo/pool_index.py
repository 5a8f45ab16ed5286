"""Write the captioned pool in clip-retrieval's own layout, its pictures packed into one file.

images.arrow                        the pictures, in one file
img_emb/img_emb_0.npy               float32 unit rows, one per picture
metadata/metadata_0.parquet         caption url similarity LICENSE NSFW WIDTH HEIGHT (LAION's names)
image.index                         faiss, inner product
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import faiss
import numpy as np
import pandas as pd
from jaxtyping import Float32
from numpy.typing import ArrayLike, NDArray

from susx.activity import doing
from susx.demo.pool import POOL_SIZE, Drawn, draw_pool, pool_rows
from susx.errors import MismatchError
from susx.images.retrieve.packed_images import PackedImagesWriter

__all__ = ["write_pool_index"]

log = logging.getLogger(__name__)


def write_pool_index(
    folder: Path,
    encode_images: Callable[[Sequence[bytes]], ArrayLike],
    n: int = POOL_SIZE,
    root_seed: int = 0,
    *,
    encode_texts: Callable[[Sequence[str]], ArrayLike] | None = None,
    size: int = 64,
    workers: int = 2,
    batch: int = 512,
) -> pd.DataFrame:
    """Draw, embed and index the pool.

    Args:
        folder: where to write; made if need be, files in it are overwritten.
        encode_images: JPEG bytes -> (rows, dim) features; unit length is made here.
        n: how many rows.
        root_seed: root of the rows' and captions' randomness.
        encode_texts: captions -> (rows, dim); when given, the column ``similarity`` holds caption-image cosines.
        size: width and height of the pictures in pixels.
        workers: processes that draw.
        batch: pictures embedded at a time, while the next ones are being drawn.

    Returns:
        The metadata table, in the order of the index.

    Raises:
        MismatchError: an encoder returned another number of rows than it was given.
    """
    features: list[NDArray[np.float32]] = []
    records: list[dict[str, object]] = []
    waiting: list[Drawn] = []

    def flush() -> None:
        jpegs = [drawn.jpeg for drawn in waiting]
        packed.write(jpegs)
        rows = _unit(encode_images(jpegs), len(jpegs), "images")
        captions = (
            _unit(encode_texts([d.caption for d in waiting]), len(jpegs), "captions")
            if encode_texts
            else None
        )
        cosines = (rows * captions).sum(axis=1) if captions is not None else np.full(len(jpegs), np.nan)
        features.append(rows)
        records.extend(_record(d, float(c)) for d, c in zip(waiting, cosines, strict=True))
        advance(len(waiting))
        waiting.clear()

    with doing("draw and embed pictures", n) as advance, PackedImagesWriter(folder) as packed:
        for drawn in draw_pool(pool_rows(n, root_seed, size), root_seed, workers):
            waiting.append(drawn)
            if len(waiting) == batch:
                flush()
        if waiting:
            flush()
    table = pd.DataFrame.from_records(records)
    _write(folder, np.concatenate(features), table)
    log.info("pool of %d captioned pictures written to %s", len(table), folder)
    return table


def _record(drawn: Drawn, cosine: float) -> dict[str, object]:
    row = drawn.row
    return {
        "caption": drawn.caption,
        "url": row.url,
        "similarity": cosine,
        "LICENSE": row.licence,
        "NSFW": row.nsfw,
        "WIDTH": row.width,
        "HEIGHT": row.height,
    }


def _write(folder: Path, features: Float32[np.ndarray, "support dim"], table: pd.DataFrame) -> None:
    for name in ("img_emb", "metadata"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    np.save(folder / "img_emb" / "img_emb_0.npy", features)
    table.to_parquet(folder / "metadata" / "metadata_0.parquet", index=False)
    index = faiss.IndexFlatIP(features.shape[1])
    index.add(np.ascontiguousarray(features))
    faiss.write_index(index, str(folder / "image.index"))


def _unit(rows: ArrayLike, count: int, what: str) -> Float32[np.ndarray, "support dim"]:
    values = np.asarray(rows, dtype=np.float32)
    if values.ndim != 2 or len(values) != count:
        raise MismatchError(
            f"pool: the encoder was given {count} {what} and returned an array of shape {values.shape}."
        )
    unit: NDArray[np.float32] = values / np.linalg.norm(values, axis=1, keepdims=True)
    return unit
