"""A Lance data set of images with captions, vectors or both, on a disk, in a bucket or on the Hub: no dead links, the bytes come with the row.

Vectors of our encoder are searched directly. Whether they are, eight rows tell, whose images are encoded and compared. With vectors of
another, or none, names are looked up in labels and captions (by a full-text index where there is one), and the encoder ranks what was found.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from susx.encoder_id import EncoderId
from susx.errors import ConfigError, MismatchError, RetrievalError, did_you_mean
from susx.images.retrieve.backends.backend import (
    About,
    Backend,
    BackendSettings,
    Delivers,
    Opening,
    TextEncoder,
    even_places,
)
from susx.images.retrieve.backends.columns import Columns, image_bytes, label_names, row_candidate, text_cell
from susx.images.retrieve.backends.readable import readable
from susx.images.retrieve.candidates import Candidate
from susx.images.retrieve.extra import require
from susx.images.retrieve.keyword import search_by_subject
from susx.images.retrieve.licences import read_licence
from susx.images.retrieve.name_score import NameScore
from susx.images.retrieve.queries import Query
from susx.images.retrieve.web.reach import answers_in_three
from susx.types import Json

if TYPE_CHECKING:
    import pyarrow as pa
    from lancedb.table import Table

__all__ = ["PROBES", "REFINE", "SAME_ENCODER", "LanceBackend", "LanceSettings"]

# Lance writes hints for its own users to standard error.
os.environ.setdefault("LANCE_LOG", "error")

_PROBED = 8
SAME_ENCODER = 0.9
"""Median cosine of a row's vector and its image as we encode it, from which the vectors are our encoder's. Other resizing of the same
image costs some hundredths; vectors of another encoder have cosines near 0."""

PROBES, REFINE = 32, 10
"""Partitions of a vector index that are searched, and candidates compared exactly per result."""

_TEXTS = 4
"""Rows that a full-text index is asked for per candidate: it finds words in any order."""

_VALUES = 20_000
"""Different licences, at most, of which a filter is made."""


class LanceSettings(BackendSettings):
    """A Lance data set."""

    about: ClassVar[About | None] = About("images with the row, by vector or words")
    delivers: ClassVar[frozenset[Delivers]] = frozenset({Delivers.LINKS, Delivers.CAPTIONS})

    backend: Literal["lance"] = "lance"
    data: str | None = None
    """Path or address of a data set (``.../train.lance``, ``hf://...``, ``s3://...``) or of a folder of such. Keys of a bucket are read from the
    environment (``AWS_...``)."""
    table: str | None = None
    """Name of the data set in that folder; its only one when not given."""
    where: str | None = None
    """Condition in SQL over its columns that rows have to meet: ``punsafe < 0.1``."""
    vectors: Literal["auto", "ours", "none"] = "auto"
    """Whether its vectors are the profile's encoder's: found out by comparison, taken for true, or not searched."""
    vector: str | None = None
    """Column of vectors; its only one when not given."""
    caption: str | None = None
    label: str | None = None
    image: str | None = None
    link: str | None = None

    @property
    def takes_features(self) -> bool:
        """Vectors can be searched where they are our encoder's for sure."""
        return self.vectors == "ours"

    def reach(self) -> str:
        """See :meth:`BackendSettings.reach`."""
        _opened(self.data, self.table)
        return ""

    def identity(self, encoder: EncoderId) -> Json:
        """Return version and time of the data set, and what is searched of it."""
        latest = _opened(self.data, self.table).to_lance().versions()[-1]
        chosen = self.model_dump(
            include={"data", "table", "where", "vectors", "vector", "caption", "label", "image", "link"}
        )
        return {
            "backend": self.backend, "version": latest["version"], "time": str(latest["timestamp"]), **chosen,
        }  # fmt: skip

    def open(self, opening: Opening) -> Backend:
        """Open the data set."""
        chosen = {"caption": self.caption, "label": self.label, "image": self.image, "link": self.link}
        return LanceBackend(
            _opened(self.data, self.table), opening.encoder, chosen, where=self.where, vectors=self.vectors,
            vector=self.vector, licences=self.licence,
        )  # fmt: skip


class LanceBackend:
    """A data set that is open.

    Attributes:
        data: the Lance data set.
        columns: what its columns say.
        vector: column of vectors, "" where there is none to search.
    """

    def __init__(
        self, table: Table, encoder: TextEncoder, chosen: Mapping[str, str | None] | None = None, *, where: str | None = None,
        vectors: str = "auto", vector: str | None = None, licences: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """Open a data set.

        Raises:
            ConfigError: a chosen column is not there, or the condition is none.
            RetrievalError: there is nothing to search by.
            MismatchError: vectors that are taken for ours have another width.
        """
        self.table, self.data, self.encoder = table, table.to_lance(), encoder
        self.name = str(self.data.uri)
        self.vectors, self.licences = vectors, tuple(licences)
        self._condition = where
        schema = self.data.schema
        self.vector = "" if vectors == "none" else self._vector_column(vector)
        self.columns = Columns.of(schema.names, chosen or {}, self.name, searched=bool(self.vector))
        self._labels = label_names(schema.metadata, self.columns.label) if self.columns.label else []
        try:
            self.data.count_rows(self._condition) if self._condition else None
        except Exception as error:
            raise ConfigError(
                f"retrieval.where: {self.name} cannot be asked for '{where}': {str(error).splitlines()[0][:200]}. Its columns are "
                f"{', '.join(schema.names)}."
            ) from error

    def search(self, queries: Sequence[Query]) -> list[list[Candidate]]:
        """See :class:`susx.images.retrieve.backends.Backend`.

        Raises:
            RetrievalError: its vectors are not ours, and it has neither captions nor labels.
        """
        if not queries:
            return []
        with readable(self.name):
            ours = self.ours
        if ours:
            texts = self.encoder.encode_texts([query.text for query in queries])
            return self.search_vectors(queries, texts.numpy())
        if not self.columns.caption and not self.columns.label:
            raise RetrievalError(
                f"{self.name} has neither captions nor labels, and its vectors are not those of the encoder '{self.encoder.identity.model}'. Use the "
                "encoder that made them (and retrieval.vectors=ours where they cannot be compared), or name a column of captions."
            )
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
        return width == dim and self._alike()

    def _alike(self) -> bool:
        """Encode the images of a few rows and compare."""
        import io

        from PIL import Image

        total = self.data.count_rows()
        encode = getattr(self.encoder, "encode_images", None)
        if not self.columns.image or not total or encode is None:
            return False
        rows = self.data.take(
            list(even_places(total, _PROBED)), [self.columns.image, self.vector]
        ).to_pylist()
        cosines = []
        for row in rows:
            image, vector = image_bytes(row[self.columns.image]), row[self.vector]
            try:
                picture = Image.open(io.BytesIO(image or b"")).convert("RGB")
            except Exception:  # of as many kinds as there are broken pictures
                continue
            if vector is not None and (norm := float(np.linalg.norm(vector))) > 0:
                made = encode([picture])[0].numpy()
                cosines.append(float(made @ np.asarray(vector, np.float32)) / norm)
        return bool(cosines) and float(np.median(cosines)) >= SAME_ENCODER

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
        if not self._vector_index:
            nearest["metric"] = "cosine"
        wanted = [*self.columns.kept, self.vector]
        return self._scan(columns=[*dict.fromkeys(wanted), "_distance"], nearest=nearest, with_row_id=True)

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
            if column in self._text_indices and name.words:
                from lance.query import FullTextOperator, MatchQuery

                asked = MatchQuery(" ".join(name.words), column, operator=FullTextOperator.AND)
                table = self._scan(
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
        condition = " OR ".join(
            f"lower({_quoted(column)}) LIKE {_said('%' + word + '%')}" for column in textual
        )
        # Numbers and lists of labels are looked at here, and so are names that SQL's lower() may spell otherwise.
        narrow = condition if len(textual) == len(columns) and word.isascii() else None
        for batch in self._scanner(
            columns=columns, filter=self._filter(narrow), with_row_id=True
        ).to_batches():
            yield batch.to_pylist()

    def _candidate(self, query: Query, row: Mapping[str, Any], similarity: float) -> Candidate:
        item = f"{self.name}#{row.get('_rowid')}"
        return row_candidate(
            query, row, self.columns, self._labels, source="lance", item=item, similarity=similarity
        )

    def _scanner(self, **options: Any) -> Any:
        if options.get("filter") is None:
            options["filter"] = self._filter()
        return self.data.scanner(**options, prefilter=True)

    def _scan(self, **options: Any) -> Any:
        return self._scanner(**options).to_table()

    def _filter(self, more: str | None = None) -> str | None:
        parts = [f"({part})" for part in (self._condition, self._licence_condition, more) if part]
        return " AND ".join(parts) or None

    @cached_property
    def _licence_condition(self) -> str:
        """Return the condition that a row's licence is admitted: the words of its column are looked through once."""
        column = self.columns.licence
        if not self.licences or not column:
            return ""
        values: set[str] = set()
        for batch in self.data.scanner(columns=[column]).to_batches():
            values |= {value for value in batch[column].unique().to_pylist() if isinstance(value, str)}
            if len(values) > _VALUES:
                return ""  # what each row says is judged where it is found
        admitted = sorted(
            value
            for value in values
            if (licence := read_licence(value)) is not None and licence.code in self.licences
        )
        return f"{_quoted(column)} IN ({', '.join(map(_said, admitted))})" if admitted else "false"

    @cached_property
    def _indices(self) -> list[Mapping[str, Any]]:
        return list(self.data.list_indices())

    @property
    def _vector_index(self) -> bool:
        return any(self.vector in index["fields"] for index in self._indices)

    @property
    def _text_indices(self) -> set[str]:
        return {field for index in self._indices if index["type"] == "Inverted" for field in index["fields"]}

    def _vector_column(self, chosen: str | None) -> str:
        import pyarrow as pa

        columns = [
            field.name for field in self.data.schema
            if pa.types.is_fixed_size_list(field.type) and pa.types.is_floating(field.type.value_type)
        ]  # fmt: skip
        if chosen is not None and chosen not in columns:
            raise ConfigError(
                f"retrieval.vector: {self.name} has no vectors '{chosen}', only {', '.join(columns) or 'none'}.{did_you_mean(chosen, columns)}"
            )
        if chosen is None and len(columns) > 1:
            raise ConfigError(
                f"{self.name} has several columns of vectors; set retrieval.vector to one of {', '.join(columns)}, or retrieval.vectors=none."
            )
        if chosen is None and not columns and self.vectors == "ours":
            raise RetrievalError(
                f"{self.name} has no column of vectors; leave retrieval.vectors out to search its captions."
            )
        return chosen or (columns[0] if columns else "")


def _opened(data: str | None, table: str | None) -> Table:
    """Open a data set, or one of a folder's.

    Raises:
        ConfigError: nothing was given, the extra is not installed, or a folder holds several.
        RetrievalError: nothing is there, or it cannot be reached.
    """
    if not data:
        raise ConfigError(
            "The backend 'lance' needs retrieval.data; pass --set retrieval.data=PATH of a data set (.../train.lance) or its address."
        )
    require("lancedb", "lance", extra="lance")
    import lancedb

    address = data.rstrip("/")
    local = "://" not in address
    if local and not os.path.isdir(os.path.expanduser(address)):
        raise RetrievalError(
            f"The backend 'lance' is told to use {data} (retrieval.data), which is not there."
        )
    address = os.path.abspath(os.path.expanduser(address)) if local else address
    if address.startswith("hf://") and (problem := answers_in_three(_hub())):
        raise RetrievalError(
            f"{data} (retrieval.data) cannot be reached: the Hugging Face Hub ({_hub()}) {problem}."
        )
    try:
        if address.endswith(".lance"):
            folder, _, name = address.rpartition("/")
            return lancedb.connect(folder).open_table(name.removesuffix(".lance"))
        database = lancedb.connect(address)
        names = [str(name) for name in database.list_tables().tables]
        if table is None and len(names) == 1:
            return database.open_table(names[0])
        if table in names:
            return database.open_table(table)
    except Exception as error:  # of as many kinds as there are places
        raise RetrievalError(
            f"{data} (retrieval.data) cannot be opened as a Lance data set: {str(error).splitlines()[0][:300]}"
        ) from error
    if not names:
        raise RetrievalError(f"{data} (retrieval.data) holds no Lance data sets.")
    raise ConfigError(
        f"{data} holds several data sets; set retrieval.table to one of {', '.join(names)}."
        + (did_you_mean(table, names) if table else "")
    )


def _hub() -> str:
    return os.environ.get("HF_ENDPOINT") or "https://huggingface.co"


def _quoted(column: str) -> str:
    return f"`{column}`"


def _said(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
