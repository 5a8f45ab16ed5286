"""Which file of rows belongs to which file of features in a clip-retrieval folder.

Published indices have hundreds of parts; a download that lacks one of each kind has as many of both. Partners are told by the number in
their names (``img_emb_0012.npy``, ``metadata_12.parquet``), never by their place in a list.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from susx.errors import RetrievalError
from susx.user_folder import is_leftover

__all__ = ["feature_files", "metadata_files", "rows_of_table"]

_PREFIX = re.compile(r"^(img_emb|metadata|image_emb|embeddings?|features?)[-_.]*")


def feature_files(folder: Path) -> list[Path]:
    """Return the files of features of an index in the order of its rows (that of their names, as autofaiss reads them)."""
    return _files(folder / "img_emb", "*.npy")


def metadata_files(folder: Path) -> list[Path]:
    """Return the files of rows of an index in the order of its features.

    Raises:
        RetrievalError: a part has no partner, or has another number of rows than its partner. Without features the names' order counts.
    """
    features, tables = feature_files(folder), _files(folder / "metadata", "*.parquet")
    if not features or not tables:
        return tables
    if len(features) == len(tables) == 1:
        pairs = [(features[0], tables[0])]
    else:
        by_key = dict(zip(_keys(tables), tables, strict=True))
        keys = _keys(features)
        lonely = [path.name for key, path in zip(keys, features, strict=True) if key not in by_key]
        without_features = [path.name for key, path in by_key.items() if key not in keys]
        if without_features and not lonely and (folder / "image.index").is_file():
            return tables  # searched with faiss, whose rows are the tables' in the order of their names; features may be left out
        lonely += without_features
        if lonely:
            raise RetrievalError(
                f"{folder}: {len(lonely)} parts have no partner among img_emb/*.npy and metadata/*.parquet: {', '.join(lonely[:6])}. "
                "The download is incomplete: get the missing parts, or take the lonely ones away."
            )
        pairs = [(path, by_key[key]) for key, path in zip(keys, features, strict=True)]
    for matrix, table in pairs:
        if (rows := _rows_of_matrix(matrix)) != (other := rows_of_table(table)):
            raise RetrievalError(
                f"{folder}: {matrix.name} holds {rows} rows and {table.name} {other}; they must be the same images. Get both parts again."
            )
    return [table for _, table in pairs]


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if not is_leftover(path.name))


def _keys(files: Sequence[Path]) -> list[object]:
    """Return what tells each file's part: its last number, all its numbers where that repeats, else its name."""
    numbers = [tuple(map(int, re.findall(r"\d+", path.stem))) for path in files]
    if all(numbers):
        for keys in ([each[-1] for each in numbers], numbers):
            if max(Counter(keys).values()) == 1:
                return list(keys)
    return [_PREFIX.sub("", path.stem) for path in files]


def _rows_of_matrix(path: Path) -> int:
    try:
        return len(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, TypeError) as error:
        raise RetrievalError(f"{path} cannot be read as features ({error}).") from error


def rows_of_table(path: Path) -> int:
    """Return the number of rows of a parquet file.

    Raises:
        RetrievalError: it is none.
    """
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except Exception as error:
        raise RetrievalError(f"{path} cannot be read as a table of rows ({error}).") from error
