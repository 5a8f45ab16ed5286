"""The metadata of a clip-retrieval index: rows by position, without loading the whole table.

``metadata/*.parquet`` in name order are the rows of the index. Only the row groups that a search hits are read, and
the last few stay in memory.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from susx.errors import RetrievalError
from susx.images.retrieve.backends.part_pairs import metadata_files
from susx.images.retrieve.candidates import AUTHOR, PAGE

__all__ = ["IndexMetadata", "IndexRows"]

_NAMES = {
    "url": ("url",),
    "image_path": ("image_path",),
    "caption": ("caption", "text"),
    "licence": ("license", "licence"),
    "nsfw": ("punsafe", "nsfw"),
    "author": AUTHOR,
    "page": PAGE,
}
"""Field -> names of its column, in any case, the better one first."""


@dataclass(frozen=True)
class IndexRows:
    """What an index knows of some images, by column; an entry is None or "" where it says nothing."""

    url: list[str | None]
    image_path: list[str | None]
    caption: list[str | None]
    licence: list[str | None]
    nsfw: list[str | None]
    author: list[str | None]
    page: list[str | None]


KEPT_ROWS = 2_000_000
"""About so many rows stay in memory (a few hundred bytes each)."""


class IndexMetadata:
    """Rows of ``folder/metadata``.

    Attributes:
        rows: their number.
        columns: all column names.
    """

    def __init__(self, folder: Path) -> None:
        import pyarrow.parquet as pq

        files = metadata_files(folder)
        if not files:
            raise RetrievalError(
                f"The index {folder} has no metadata/*.parquet, so its results could not be traced to images. Build it "
                "with 'susx index build', or copy the metadata folder of clip-retrieval's inference into it."
            )
        try:
            self._files = [pq.ParquetFile(file, memory_map=True) for file in files]
        except Exception as error:
            raise RetrievalError(f"The metadata of the index {folder} cannot be read: {error}.") from error
        self._groups: list[tuple[int, int]] = []
        self._starts: list[int] = []
        total = 0
        for number, file in enumerate(self._files):
            for group in range(file.metadata.num_row_groups):
                self._starts.append(total)
                self._groups.append((number, group))
                total += file.metadata.row_group(group).num_rows
        self.rows = total
        self.columns = tuple(dict.fromkeys(name for file in self._files for name in file.schema_arrow.names))
        lower = {name.lower(): name for name in self.columns}
        self._sources = {
            field: next((lower[name] for name in names if name in lower), "")
            for field, names in _NAMES.items()
        }
        self._lock = threading.Lock()
        kept = max(2, KEPT_ROWS * len(self._groups) // max(1, total))
        self._read = functools.lru_cache(maxsize=kept)(self._read_group)

    def get(self, positions: Sequence[int]) -> IndexRows:
        """Return what is known at the given positions of the index, in their order."""
        import pyarrow as pa

        places = np.asarray(positions, dtype=np.int64)
        groups = np.searchsorted(self._starts, places, side="right") - 1
        order = np.argsort(groups, kind="stable")
        parts = []
        for group in np.unique(groups):
            with self._lock:
                table = self._read(int(group))
            parts.append(table.take(places[groups == group] - self._starts[group]))
        if not parts:
            return IndexRows(*([] for _ in _NAMES))
        # By column and in arrow: an object a row would cost as much as the search.
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return IndexRows(*(column.to_pylist() for column in pa.concat_tables(parts).take(back).columns))

    def _read_group(self, group: int) -> Any:
        import pyarrow as pa

        number, within = self._groups[group]
        file = self._files[number]
        table = file.read_row_group(within, columns=[name for name in self._sources.values() if name])
        empty = pa.nulls(table.num_rows, pa.string())
        columns = [
            table[source].cast(pa.string()) if source in table.column_names else empty
            for source in self._sources.values()
        ]
        return pa.table(columns, names=list(_NAMES)).combine_chunks()
