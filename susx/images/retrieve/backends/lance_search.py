"""Searching a Lance data set, by vectors or by words.

Vectors of our encoder are searched directly. Whether they are, eight rows tell, whose images are encoded and compared. With vectors of
another encoder its text tower finds candidates, where it is known and can be loaded; else names are looked up in labels and captions (by a
full-text index where there is one). Our encoder ranks what was found by either.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from susx.config import EncoderConfig
from susx.errors import ConfigError, MismatchError, ModelError, RetrievalError, did_you_mean
from susx.images.retrieve.backends.backend import TextEncoder, even_places
from susx.images.retrieve.backends.columns import Columns, label_names, row_candidate, text_cell
from susx.images.retrieve.backends.lance_scan import LanceScan, holds
from susx.images.retrieve.backends.readable import readable
from susx.images.retrieve.backends.vector_maker import PROBED, load_maker, made_these, told_maker
from susx.images.retrieve.candidates import Candidate
from susx.images.retrieve.keyword import search_by_subject
from susx.images.retrieve.name_score import NameScore
from susx.images.retrieve.queries import Query

if TYPE_CHECKING:
    import pyarrow as pa
    from lancedb.table import Table

__all__ = ["PROBES", "REFINE", "LanceBackend", "vector_column"]

logger = logging.getLogger(__name__)

PROBES, REFINE = 32, 10
"""Partitions of a vector index that are searched, and candidates compared exactly per result."""

_TEXTS = 4
"""Rows that a full-text index is asked for per candidate: it finds words in any order."""


class LanceBackend:
    """A data set that is open.

    Attributes:
        data: the Lance data set.
        columns: what its columns say.
        vector: column of vectors, "" where there is none to search.
    """

    def __init__(
        self, table: Table, encoder: TextEncoder, chosen: Mapping[str, str | None] | None = None, *, where: str | None = None,
        vectors: str = "auto", vector: str | None = None, licences: Sequence[str] = (), made_by: EncoderConfig | None = None,
    ) -> None:  # fmt: skip
        """Open a data set.

        Raises:
            ConfigError: a chosen column is not there, or the condition is none.
            RetrievalError: there is nothing to search by.
            MismatchError: vectors that are taken for ours have another width.
        """
        self.table, self.data, self.encoder = table, table.to_lance(), encoder
        self.name = str(self.data.uri)
        self.vectors = vectors
        schema = self.data.schema
        self.vector = "" if vectors == "none" else vector_column(schema, vector, self.name)
        if not self.vector and vectors == "ours":
            raise RetrievalError(
                f"{self.name} has no column of vectors; leave retrieval.vectors out to search its captions."
            )
        self._made_by, self._said_why = made_by, False
        self.columns = Columns.of(schema.names, chosen or {}, self.name, searched=bool(self.vector))
        self._labels = label_names(schema.metadata, self.columns.label) if self.columns.label else []
        self.scan = LanceScan(self.data, where, self.columns.licence, tuple(licences))

    def search(self, queries: Sequence[Query]) -> list[list[Candidate]]:
        """See :class:`susx.images.retrieve.backends.Backend`.

        Raises:
            RetrievalError: its vectors are not ours, and it has neither captions nor labels.
        """
        if not queries:
            return []
        with readable(self.name):
            searcher = self.encoder if self.ours else self._maker[0]
        if searcher is not None:
            texts = searcher.encode_texts([query.text for query in queries])
            return self.search_vectors(queries, texts.numpy())
        if not self.columns.caption and not self.columns.label:
            raise RetrievalError(
                f"{self.name} has neither captions nor labels, and its vectors are not those of the encoder '{self.encoder.identity.model}'. "
                f"{self._maker[1] or 'Which encoder made them is not told.'} Use the encoder that made them (and retrieval.vectors=ours where they cannot be compared), name it "
                "(retrieval.made_by.model=MODEL, retrieval.made_by.pretrained=TAG), or name a column of captions."
            )
        if self._maker[1] and not self._said_why:
            self._said_why = True
            logger.warning("%s is searched by words, not by its vectors. %s", self.name, self._maker[1])
        with readable(self.name):
            return search_by_subject(queries, self._by_text)

    def search_vectors(self, queries: Sequence[Query], vectors: np.ndarray) -> list[list[Candidate]]:
        """Search with unit rows, shape [queries, dim], in place of the queries' texts."""
        with readable(self.name):
            return [self._nearest(query, vector) for query, vector in zip(queries, vectors, strict=True)]

    def captions(self, most: int) -> list[str | None]:
        """Return captions (labels where there are none), of more than ``most`` rows those of an even sample."""
        column = self.columns.caption or self.columns.label
        if not column:
            return []
        with readable(self.name):
            places = even_places(self.data.count_rows(), most)
            if places.step == 1:
                rows = self.data.to_table([column])[column].to_pylist()
            else:
                rows = self.data.take(list(places), [column])[column].to_pylist()
        names = self._labels if not self.columns.caption else ()
        return [" ".join(text_cell(value, names)) or None for value in rows]

    @cached_property
    def ours(self) -> bool:
        """Whether its vectors are those of our encoder.

        Raises:
            MismatchError: they are said to be, and have another width.
        """
        if not self.vector:
            return False
        width = self.data.schema.field(self.vector).type.list_size
        dim = int(self.encoder.encode_texts(["a photo"]).shape[1])
        if self.vectors == "ours":
            if width != dim:
                raise MismatchError(
                    f"The vectors '{self.vector}' of {self.name} have a width of {width}; the encoder '{self.encoder.identity.model}' makes {dim}. Use the "
                    "encoder that made them, or leave retrieval.vectors out."
                )
            return True
        return width == dim and made_these(self.encoder, *self._probed)

    @cached_property
    def _maker(self) -> tuple[TextEncoder | None, str]:
        """Return the encoder that made the vectors where it can be loaded; else why the one that is told is not asked, "" where none is told."""
        told = told_maker(self._made_by, self.data.schema.metadata, self.vector) if self.vector else None
        if told is None:
            return None, ""
        if isinstance(told, str):
            return None, told
        called = f"{told.model}{f' / {told.pretrained}' if told.pretrained else ''}"
        try:
            maker = load_maker(told)
        except ModelError as error:
            return None, f"The encoder {called} that made its vectors cannot be loaded: {error}"
        width, dim = (
            self.data.schema.field(self.vector).type.list_size,
            int(maker.encode_texts(["a photo"]).shape[1]),
        )
        if width != dim:
            return None, (
                f"Its vectors have a width of {width}; the encoder {called}, which is said to have made them, makes {dim}."
            )
        if not made_these(maker, *self._probed, unless_empty=True):
            return None, (
                f"Its images do not have the vectors that the encoder {called}, which is said to have made them, gives them."
            )
        logger.info("%s is searched by the text tower of %s, which made its vectors", self.name, called)
        return maker, ""

    @cached_property
    def _probed(self) -> tuple[list[Any], list[Any]]:
        """Return cells of images and their vectors, of a few rows; none where it has no images."""
        total = self.data.count_rows()
        if not self.columns.image or not total:
            return [], []
        rows = self.data.take(list(even_places(total, PROBED)), [self.columns.image, self.vector]).to_pylist()
        return [row[self.columns.image] for row in rows], [row[self.vector] for row in rows]

    def _nearest(self, query: Query, vector: np.ndarray) -> list[Candidate]:
        """Find by the index, whose measure it is, or exactly without one; similarities are cosines with the vectors themselves.

        A row of zeros stands for an image that nobody could encode. By l2 it is nearer to a text than images are: more is asked
        for where such rows took their places.
        """
        asked, most = np.asarray(vector, np.float32), query.wanted
        while True:
            table = self._nearest_rows(asked, most)
            candidates = []
            for row in table.to_pylist():
                values = np.asarray(row[self.vector], np.float32)
                norm = float(np.linalg.norm(values))
                if 0 < norm < np.inf:
                    candidates.append(self._candidate(query, row, float(values @ asked) / norm))
            if len(candidates) >= query.wanted or len(table) < most:
                return sorted(candidates, key=lambda one: -one.similarity)[: query.wanted]
            most *= 4

    def _nearest_rows(self, asked: np.ndarray, most: int) -> pa.Table:
        nearest: dict[str, Any] = {
            "column": self.vector, "q": asked, "k": most, "nprobes": PROBES, "refine_factor": REFINE,
        }  # fmt: skip
        if not self.scan.has_index(self.vector):
            nearest["metric"] = "cosine"
        wanted = [*self.columns.kept, self.vector]
        return self.scan.table(
            columns=[*dict.fromkeys(wanted), "_distance"], nearest=nearest, with_row_id=True
        )

    def _by_text(self, query: Query) -> list[Candidate]:
        name = NameScore(query.subject or query.class_name)
        best: list[tuple[float, int]] = []
        seen: set[int] = set()
        for batch in self._texts(name, query.wanted * _TEXTS):
            for row in batch:
                row_id = int(row["_rowid"])
                labels = text_cell(row.get(self.columns.label), self._labels) if self.columns.label else []
                score = name.of(labels, text_cell(row.get(self.columns.caption)))
                if not score or row_id in seen:
                    continue
                seen.add(row_id)
                entry = (score, -row_id)
                if len(best) < query.wanted:
                    heapq.heappush(best, entry)
                elif entry > best[0]:
                    heapq.heapreplace(best, entry)
        places = [-row_id for _, row_id in sorted(best, reverse=True)]
        if not places:
            return []
        rows = self.table.take_row_ids(places).select([*self.columns.kept]).with_row_id().to_arrow()
        by_place = {int(row["_rowid"]): row for row in rows.to_pylist()}
        return [self._candidate(query, by_place[row_id], 0.0) for row_id in places if row_id in by_place]

    def _texts(self, name: NameScore, most: int) -> Iterator[list[dict[str, Any]]]:
        """Yield rows that may say a name, with their texts alone: of a full-text index the best, and without one all that hold its longest word."""
        columns = [column for column in (self.columns.caption, self.columns.label) if column]
        for column in columns:
            if column in self.scan.text_indices and name.words:
                from lance.query import FullTextOperator, MatchQuery

                asked = MatchQuery(" ".join(name.words), column, operator=FullTextOperator.AND)
                table = self.scan.table(
                    columns=[*columns, "_score"], full_text_query=asked, limit=most, with_row_id=True
                )
                yield table.to_pylist()
                if table.num_rows:
                    return
        word = max(name.words, key=len, default="")
        textual = [
            column
            for column in columns
            if str(self.data.schema.field(column).type) in ("string", "large_string")
        ]
        condition = " OR ".join(holds(column, word) for column in textual)
        # Numbers and lists of labels are looked at here, and so are names that SQL's lower() may spell otherwise.
        narrow = condition if len(textual) == len(columns) and word.isascii() else None
        for batch in self.scan.batches(narrow, columns=columns, with_row_id=True):
            yield batch.to_pylist()

    def _candidate(self, query: Query, row: Mapping[str, Any], similarity: float) -> Candidate:
        item = f"{self.name}#{row.get('_rowid')}"
        return row_candidate(
            query, row, self.columns, self._labels, source="lance", item=item, similarity=similarity
        )


def vector_column(schema: pa.Schema, chosen: str | None, name: str) -> str:
    """Return the column of vectors, "" where there is none.

    Raises:
        ConfigError: the chosen one is not there, or there are several to choose from.
    """
    import pyarrow as pa

    columns = [
        field.name for field in schema
        if pa.types.is_fixed_size_list(field.type) and pa.types.is_floating(field.type.value_type)
    ]  # fmt: skip
    if chosen is not None and chosen not in columns:
        raise ConfigError(
            f"retrieval.vector: {name} has no vectors '{chosen}', only {', '.join(columns) or 'none'}.{did_you_mean(chosen, columns)}"
        )
    if chosen is None and len(columns) > 1:
        raise ConfigError(
            f"{name} has several columns of vectors; set retrieval.vector to one of {', '.join(columns)}, or retrieval.vectors=none."
        )
    return chosen or (columns[0] if columns else "")
