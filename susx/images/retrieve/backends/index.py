"""A local clip-retrieval index folder, searched without loading it whole: with faiss, or exactly where it has no faiss index.

Layout (clip-retrieval's): ``image.index``, ``metadata/*.parquet``, ``img_emb/*.npy``; ours adds ``susx_index.json``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from susx.encoder_id import EncoderId
from susx.errors import MismatchError, RetrievalError
from susx.images.retrieve.backends.backend import (
    About,
    Backend,
    BackendSettings,
    Delivers,
    Opening,
    TextEncoder,
    even_places,
    existing_path,
    sample_places,
)
from susx.images.retrieve.backends.exact_index import ExactIndex
from susx.images.retrieve.backends.metadata import IndexMetadata
from susx.images.retrieve.backends.part_pairs import feature_files
from susx.images.retrieve.candidates import Candidate, located
from susx.images.retrieve.index_manifest import IndexManifest, check_encoder
from susx.images.retrieve.packed_images import PackedImages
from susx.images.retrieve.queries import Query
from susx.store import FileDigests, digest_json
from susx.types import Json
from susx.user_folder import files_below

__all__ = ["IndexBackend", "IndexSettings", "files_identity", "open_faiss", "open_index"]

logger = logging.getLogger(__name__)

_file_digests = FileDigests()


class IndexSettings(BackendSettings):
    """A clip-retrieval index folder."""

    about: ClassVar[About | None] = About("images or links, by our encoder")
    delivers: ClassVar[frozenset[Delivers]] = frozenset({Delivers.LINKS, Delivers.WHOLE, Delivers.CAPTIONS})

    backend: Literal["index"] = "index"
    folder: str | None = None
    """Holds ``image.index``, ``metadata/`` and, for statistics of the whole, ``img_emb/``."""

    @property
    def takes_features(self) -> bool:
        """Features are what it searches."""
        return True

    @property
    def holds_features(self) -> bool:
        """Whether ``img_emb/`` came with the index."""
        return bool(feature_files(existing_path(self.backend, "folder", self.folder)))

    def reach(self) -> str:
        """See :meth:`BackendSettings.reach`."""
        existing_path(self.backend, "folder", self.folder)
        return ""

    def identity(self, encoder: EncoderId) -> Json:
        """Return the content that the index says it has; of a foreign index, a digest of its files."""
        folder = existing_path(self.backend, "folder", self.folder)
        manifest = IndexManifest.read(folder)
        if manifest is None:
            return files_identity(self.backend, folder)
        check_encoder(str(folder), manifest.made_by, encoder)
        return {"backend": self.backend, "content": manifest.content}

    def open(self, opening: Opening) -> Backend:
        """Open the index."""
        return IndexBackend(existing_path(self.backend, "folder", self.folder), opening.encoder)


def files_identity(backend: str, folder: Path) -> Json:
    """Return a digest of all files of features, rows and index below a folder.

    Raises:
        RetrievalError: there are none.
    """
    files = files_below(folder, {".index", ".ivfdata", ".parquet", ".npy", ".csv", ".arrow"}).files
    if not files:
        raise RetrievalError(
            f"{folder} holds neither an index nor features. Build one with 'susx index build'."
        )
    content = {path.relative_to(folder).as_posix(): _file_digests(path) for path in files}
    return {"backend": backend, "content": digest_json(content)}


def open_index(folder: Path) -> Any:
    """Open ``image.index``, or where there is none the features themselves.

    Raises:
        RetrievalError: there is neither, or it cannot be read.
    """
    if not (folder / "image.index").exists() and (files := feature_files(folder)):
        return ExactIndex(files)
    return open_faiss(folder)


def open_faiss(folder: Path) -> Any:
    """Open ``image.index`` memory-mapped.

    Raises:
        RetrievalError: there is none, or faiss cannot read it.
    """
    import faiss

    path = folder / "image.index"
    if not path.exists():
        raise RetrievalError(
            f"{folder} is no clip-retrieval index: there is no image.index in it. Build one with 'susx index build', "
            "or set retrieval.folder to the folder that holds image.index and metadata/."
        )
    flags = faiss.IO_FLAG_MMAP_IFC
    if path.is_dir():
        path, flags = path / "populated.index", faiss.IO_FLAG_ONDISK_SAME_DIR
    for way in (flags, faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY):
        # The newer flag maps flat and graph indices too; kinds it does not know are read the older way.
        try:
            return faiss.read_index(str(path), way)
        except RuntimeError as error:
            problem = error
    raise RetrievalError(f"faiss cannot read {path}: {problem}. Build the index again.") from problem


def _similarity_of(index: Any, folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from what the index answers to cosines of unit rows: |a - b|^2 = 2 - 2 a.b.

    Raises:
        RetrievalError: it measures something else.
    """
    import faiss

    if index.metric_type == faiss.METRIC_INNER_PRODUCT:
        return lambda scores: scores
    if index.metric_type == faiss.METRIC_L2:
        return lambda distances: 1 - distances / 2
    raise RetrievalError(
        f"The index {folder} measures faiss metric {index.metric_type}; expected the inner product or L2 of unit rows. "
        "Build the index again with 'susx index build'."
    )


class IndexBackend:
    """A clip-retrieval index on this machine."""

    def __init__(self, folder: Path, encoder: TextEncoder, *, name: str = "index") -> None:
        """Open an index.

        Raises:
            RetrievalError: the folder is not an index, or index and metadata do not fit.
            MismatchError: it was built with another encoder.
        """
        self.folder = folder
        self.name = name
        self.encoder = encoder
        self.manifest = IndexManifest.read(folder)
        if self.manifest:
            check_encoder(str(folder), self.manifest.made_by, encoder.identity)
        else:
            logger.warning(
                "The index %s does not say which encoder built it; assuming %s.", folder, encoder.identity
            )
        self.index = open_index(folder)
        self._similarity = _similarity_of(self.index, folder)
        self.metadata = IndexMetadata(folder)
        self.images = PackedImages.of(folder)
        if self.metadata.rows != self.index.ntotal:
            raise RetrievalError(
                f"The index {folder} holds {self.index.ntotal} images but its metadata has {self.metadata.rows} rows; "
                "they belong to different builds. Build the index again."
            )

    def search(self, queries: Sequence[Query]) -> list[list[Candidate]]:
        """See :class:`susx.images.retrieve.backends.Backend`."""
        if not queries:
            return []
        vectors = np.ascontiguousarray(
            self.encoder.encode_texts([q.text for q in queries]).numpy(), np.float32
        )
        return self.search_vectors(queries, vectors)

    def search_vectors(self, queries: Sequence[Query], vectors: np.ndarray) -> list[list[Candidate]]:
        """Search with unit rows, shape [queries, dim], in place of the queries' texts."""
        if vectors.shape[1] != self.index.d:
            raise MismatchError(
                f"The index {self.folder} holds features of width {self.index.d}; the encoder '{self.encoder.identity.model}' "
                f"makes {vectors.shape[1]}. Use the encoder that built the index."
            )
        k = min(max(query.wanted for query in queries), self.index.ntotal)
        scores, positions = self.index.search(vectors, k)
        return self._describe(queries, self._similarity(scores), positions)

    def feature_parts(self) -> Iterator[np.ndarray]:
        """Yield all features of the source as memory maps [images, dim].

        Raises:
            RetrievalError: the folder came without the features its index was made of, or with a part of them.
        """
        files = feature_files(self.folder)
        if not files:
            raise RetrievalError(
                f"The index {self.folder} has no img_emb/*.npy, the features that it was made of, and a method asks for "
                "statistics of the whole pool. Copy img_emb/ beside image.index, or leave that method out of the profile."
            )
        try:
            parts = [np.load(file, mmap_mode="r", allow_pickle=False) for file in files]
        except (OSError, ValueError) as error:
            raise RetrievalError(
                f"{files[0].parent}: a file of features cannot be read ({error}). Copy img_emb/ again."
            ) from error
        if (rows := sum(len(part) for part in parts)) != self.index.ntotal:
            raise RetrievalError(
                f"The index {self.folder} holds {self.index.ntotal} images, and img_emb/*.npy features of {rows}: a part is missing, or they "
                "belong to different builds. Copy img_emb/ again, or build the index again."
            )
        yield from parts

    def captioned_sample(self) -> tuple[np.ndarray, list[str | None]]:
        """Return features [sample, dim] in float32 and captions of blocks of rows, evenly spread over the source.

        Raises:
            RetrievalError: see :meth:`feature_parts`.
        """
        places = sample_places(self.metadata.rows)
        parts, start, chosen = [], 0, np.asarray(places, dtype=np.int64)
        for part in self.feature_parts():
            parts.append(
                np.asarray(part[chosen[(chosen >= start) & (chosen < start + len(part))] - start], np.float32)
            )
            start += len(part)
        return np.concatenate(parts), self.metadata.get(places).caption

    def captions(self, most: int) -> list[str | None]:
        """Return captions, of more than ``most`` images those of an even sample; None where there is none."""
        return self.metadata.get(even_places(self.metadata.rows, most)).caption

    def _describe(
        self, queries: Sequence[Query], similarities: np.ndarray, positions: np.ndarray
    ) -> list[list[Candidate]]:
        hits = [
            [p for p in row[: query.wanted].tolist() if p >= 0]
            for query, row in zip(queries, positions, strict=True)
        ]
        rows = self.metadata.get([position for of_query in hits for position in of_query])
        pairs = zip(
            rows.url, rows.image_path, rows.caption, rows.licence, rows.nsfw, rows.author, rows.page, strict=True
        )  # fmt: skip
        return [
            [
                self._candidate(query, position, score, *next(pairs))
                for position, score in zip(of_query, scores, strict=False)
            ]
            for query, of_query, scores in zip(queries, hits, similarities.tolist(), strict=True)
        ]

    def _candidate(
        self, query: Query, position: int, score: float, url: str | None, path: str | None,
        caption: str | None, licence: str | None, nsfw: str | None, author: str | None, page: str | None,
    ) -> Candidate:  # fmt: skip
        return Candidate(
            query.class_name,
            query.prompt,
            query.text,
            url or path or f"{self.name}:{position}",
            score,
            url or None,
            located(path, self.folder) if path else None,
            self.images.get(position) if self.images else None,
            caption or None,
            licence or None,
            nsfw or None,
            self.name,
            author or None,
            page or None,
        )
