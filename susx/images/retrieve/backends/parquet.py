"""Any parquet data set with captions or labels and images or links: names are looked up in its texts, and the encoder ranks what was fetched.

A label must be the name, in its singular or plural; a caption must hold it (:class:`~susx.images.retrieve.name_score.NameScore`). Labels come
before captions, and of captions those that say little else. Only the texts of all rows are read, and whole rows of those that are found.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from susx.encoder_id import EncoderId
from susx.errors import RetrievalError
from susx.images.retrieve.backends.backend import (
    About,
    Backend,
    BackendSettings,
    Delivers,
    Opening,
    even_places,
)
from susx.images.retrieve.backends.columns import (
    Columns,
    label_names,
    row_candidate,
    text_cell,
)
from susx.images.retrieve.backends.parquet_files import ParquetFile, parquet_files
from susx.images.retrieve.backends.readable import readable
from susx.images.retrieve.candidates import Candidate
from susx.images.retrieve.keyword import search_by_subject
from susx.images.retrieve.licences import read_licence
from susx.images.retrieve.name_score import NameScore
from susx.images.retrieve.queries import Query
from susx.store import digest_json
from susx.store.disk import whole_file
from susx.types import Json

__all__ = ["ParquetBackend", "ParquetSettings"]

_BATCH = 20_000
"""Rows of texts in memory at once."""

_IMAGES = 64
"""Rows with their images in memory at once."""


class ParquetSettings(BackendSettings):
    """A parquet data set with captions or labels."""

    about: ClassVar[About | None] = About("images or links, by words")
    delivers: ClassVar[frozenset[Delivers]] = frozenset({Delivers.LINKS, Delivers.CAPTIONS})

    backend: Literal["parquet"] = "parquet"
    data: str | None = None
    """A file, folder, pattern, or address of fsspec's (``hf://datasets/owner/name``, ``s3://bucket/folder``)."""
    caption: str | None = None
    """Column of captions; caption, text, alt_text, title or description when not given."""
    label: str | None = None
    """Column of labels, texts or numbers of ``datasets``' classes; label, labels, class or category when not given."""
    image: str | None = None
    """Column of encoded images; image, img, jpg, png or bytes when not given."""
    link: str | None = None
    """Column of links; url, image_url or link when not given."""

    def _chosen(self) -> dict[str, str | None]:
        return {"caption": self.caption, "label": self.label, "image": self.image, "link": self.link}

    def reach(self) -> str:
        """See :meth:`BackendSettings.reach`."""
        parquet_files(self.data)
        return ""

    def identity(self, encoder: EncoderId) -> Json:
        """Return a digest of the files, and the columns that were chosen."""
        content = [file.identity() for file in parquet_files(self.data)]
        return {"backend": self.backend, "content": digest_json(content), "columns": self._chosen()}

    def open(self, opening: Opening) -> Backend:
        """Open the files."""
        return ParquetBackend(parquet_files(self.data), self._chosen(), opening.work, self.licence)


class ParquetBackend:
    """Parquet files with captions or labels."""

    def __init__(
        self, files: Sequence[ParquetFile], chosen: dict[str, str | None], work: Path | None = None,
        licences: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """Open the files.

        Args:
            files: with one schema.
            chosen: columns that a person names.
            work: folder that outlives the run; the texts of files elsewhere are copied there once.
            licences: admitted licences, which decide where the table states any.

        Raises:
            ConfigError: a chosen column is not there.
            RetrievalError: a file cannot be read, or there is nothing to search by.
        """
        self.files = files
        self.work = work
        self.licences = tuple(licences)
        self._opened: dict[int, Any] = {}
        schema = self._file(0).schema_arrow
        self.columns = Columns.of(schema.names, chosen, files[0].name)
        self._labels = label_names(schema.metadata, self.columns.label) if self.columns.label else []

    def search(self, queries: Sequence[Query]) -> list[list[Candidate]]:
        """See :class:`susx.images.retrieve.backends.Backend`."""
        with readable(self.files[0].name):
            return search_by_subject(queries, self._find)

    def captions(self, most: int) -> list[str | None]:
        """Return captions (labels where there are none), of more than ``most`` rows those of an even sample."""
        with readable(self.files[0].name):
            return self._sampled(most)

    def _sampled(self, most: int) -> list[str | None]:
        total = sum(self._file(at).metadata.num_rows for at in range(len(self.files)))
        wanted = iter(even_places(total, most))
        next_row, captions = next(wanted, -1), list[str | None]()
        start = 0
        for _, _, rows in self._texts():
            while start <= next_row < start + len(rows):
                row = rows[next_row - start]
                texts = text_cell(row.get(self.columns.caption)) or self._label_texts(row)
                captions.append(" ".join(texts) or None)
                next_row = next(wanted, -1)
            start += len(rows)
        return captions

    def _find(self, query: Query) -> list[Candidate]:
        name = NameScore(query.subject or query.class_name)
        best: list[tuple[float, int, int]] = []
        for file, first, rows in self._texts():
            for at, row in enumerate(rows, first):
                score = name.of(self._label_texts(row), text_cell(row.get(self.columns.caption)))
                if not score or (self.licences and self.columns.licence and not self._admitted(row)):
                    continue
                entry = (score, -file, -at)
                if len(best) < query.wanted:
                    heapq.heappush(best, entry)
                elif entry > best[0]:
                    heapq.heapreplace(best, entry)
        places = [(-file, -at) for _, file, at in sorted(best, reverse=True)]
        read_rows = self._rows(places)
        return [
            row_candidate(
                query, read_rows[row_place], self.columns, self._labels, source="parquet",
                item=f"{self.files[row_place[0]].name}#{row_place[1]}",
            )
            for row_place in places
        ]  # fmt: skip

    def _label_texts(self, row: dict[str, Any]) -> list[str]:
        return text_cell(row.get(self.columns.label), self._labels) if self.columns.label else []

    def _admitted(self, row: dict[str, Any]) -> bool:
        licence = read_licence(" ".join(text_cell(row.get(self.columns.licence))))
        return licence is not None and licence.code in self.licences

    def _file(self, at: int) -> Any:
        if at not in self._opened:
            self._opened[at] = self.files[at].open()
        return self._opened[at]

    def _texts(self) -> Iterator[tuple[int, int, list[dict[str, Any]]]]:
        """Yield number of the file, place of the first row in it, and rows of the columns that are searched."""
        for number in range(len(self.files)):
            first = 0
            for batch in self._text_file(number).iter_batches(_BATCH, columns=self.columns.searched):
                yield number, first, batch.to_pylist()
                first += batch.num_rows

    def _text_file(self, number: int) -> Any:
        """Return the file itself, or the copy of its texts where it lies elsewhere: it is read once, not once a class."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        file, opened = self.files[number], self._file(number)
        missing = set(self.columns.searched) - set(opened.schema_arrow.names)
        if missing:
            raise RetrievalError(
                f"{file.name} lacks the columns {', '.join(sorted(missing))} that {self.files[0].name} has; give files of one kind."
            )
        if file.system is None or self.work is None:
            return opened
        key = digest_json([file.identity(), self.columns.searched])[:32]
        copy = self.work / "texts" / f"{key}.parquet"
        if not copy.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            schema = pa.schema([opened.schema_arrow.field(name) for name in self.columns.searched])
            with whole_file(copy) as partial, pq.ParquetWriter(partial, schema) as writer:
                for batch in opened.iter_batches(_BATCH, columns=self.columns.searched):
                    writer.write_batch(batch.select(self.columns.searched))
        return pq.ParquetFile(copy, memory_map=True)

    def _rows(self, places: Sequence[tuple[int, int]]) -> dict[tuple[int, int], dict[str, Any]]:
        """Return whole rows by (file, row); only the row groups that hold one are read."""
        row_of: dict[tuple[int, int], dict[str, Any]] = {}
        for number in sorted({file for file, _ in places}):
            wanted = sorted(row for file, row in places if file == number)
            opened = self._file(number)
            columns = [name for name in self.columns.kept if name in opened.schema_arrow.names]
            first = 0
            for group in range(opened.metadata.num_row_groups):
                end = first + opened.metadata.row_group(group).num_rows
                inside = [row - first for row in wanted if first <= row < end]
                if inside:
                    start = 0
                    for batch in opened.iter_batches(_IMAGES, row_groups=[group], columns=columns):
                        here = [row - start for row in inside if start <= row < start + batch.num_rows]
                        for at, row in zip(here, batch.take(here).to_pylist() if here else (), strict=True):
                            row_of[number, first + start + at] = row
                        start += batch.num_rows
                        if start > inside[-1]:
                            break
                first = end
        return row_of
