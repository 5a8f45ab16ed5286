"""A prepared list of links and captions: ranked by the words of the caption, or by embedding after the download.

By caption: TF-IDF cosine of query and caption (words, English stop words dropped; Salton and Buckley 1988), among the
captions that hold a word of the query's subject: "texture" or "photo" alone is no match. By embedding: the whole list is downloaded once, its images are encoded, and queries search those.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from susx.config import DownloadConfig
from susx.encoder_id import EncoderId
from susx.errors import ConfigError, RetrievalError
from susx.images.retrieve.backends.backend import (
    About,
    Backend,
    BackendSettings,
    Delivers,
    Opening,
    TextEncoder,
    even_places,
    existing_path,
)
from susx.images.retrieve.candidates import Candidate
from susx.images.retrieve.link_list import Link, read_link_list
from susx.images.retrieve.queries import Query
from susx.store import FileDigests
from susx.types import Json

__all__ = ["UrlListBackend", "UrlsSettings"]

logger = logging.getLogger(__name__)


_file_digests = FileDigests()


class UrlsSettings(BackendSettings):
    """A list of links and captions."""

    about: ClassVar[About | None] = About("links, by caption or by our encoder")
    delivers: ClassVar[frozenset[Delivers]] = frozenset({Delivers.LINKS, Delivers.CAPTIONS})

    backend: Literal["urls"] = "urls"
    urls: str | None = None
    """Parquet or CSV with columns url and caption."""
    rank: Literal["caption", "embedding"] = "caption"
    """By words of the caption, or by embedding after the download."""

    @property
    def takes_features(self) -> bool:
        """Features are searched where they rank."""
        return self.rank == "embedding"

    def reach(self) -> str:
        """See :meth:`BackendSettings.reach`."""
        existing_path(self.backend, "urls", self.urls)
        return ""

    def identity(self, encoder: EncoderId) -> Json:
        """Return the digest of the file."""
        path = existing_path(self.backend, "urls", self.urls)
        return {"backend": self.backend, "content": _file_digests(path), "rank": self.rank}

    def open(self, opening: Opening) -> Backend:
        """Read the list."""
        path = existing_path(self.backend, "urls", self.urls)
        return UrlListBackend(
            path, rank=self.rank, encoder=opening.encoder, download=opening.download, work=opening.work
        )


class UrlListBackend:
    """A parquet or CSV with the columns url and caption."""

    def __init__(
        self, path: Path, *, rank: Literal["caption", "embedding"] = "caption", encoder: TextEncoder | None = None,
        download: DownloadConfig | None = None, work: Path | None = None,
    ) -> None:  # fmt: skip
        """Read the list.

        Raises:
            InputError: it is no such list.
            RetrievalError: it is empty, or has no captions to rank by.
            ConfigError: ranking by embedding without an encoder of images and a work folder.
        """
        self.path = path
        self.rank = rank
        self.links = read_link_list(path)
        if not self.links:
            raise RetrievalError(f"The list {path} holds no links.")
        if rank == "caption" and not any(link.caption for link in self.links):
            raise RetrievalError(
                f"The list {path} has no captions to rank by. Add a column 'caption', or set retrieval.rank=embedding."
            )
        if rank == "embedding" and (work is None or not hasattr(encoder, "encode_images")):
            raise ConfigError(
                "Ranking links by embedding needs an encoder of images and a folder for the downloads."
            )
        self.encoder = encoder
        self.download = download or DownloadConfig()
        self.work = work
        self._matrix: Any = None
        self._places: list[int] = list(range(len(self.links)))
        self._vectorizer: Any = None

    def search(self, queries: Sequence[Query]) -> list[list[Candidate]]:
        """See :class:`susx.images.retrieve.backends.Backend`.

        By caption, links that share no word with the subject are no candidates, so a list shows when it has nothing
        on a class.
        """
        if not queries:
            return []
        if self.rank == "caption":
            return self._best(queries, self._by_caption(queries))
        assert self.encoder is not None
        return self.search_vectors(
            queries, np.asarray(self.encoder.encode_texts([query.text for query in queries]))
        )

    def search_vectors(self, queries: Sequence[Query], vectors: np.ndarray) -> list[list[Candidate]]:
        """Search with unit rows, shape [queries, dim], in place of the queries' texts; ranks by embedding only."""
        return self._best(queries, self._by_embedding(vectors))

    def captions(self, most: int) -> list[str | None]:
        """Return captions, of more than ``most`` links those of an even sample; None where there is none."""
        return [self.links[row].caption or None for row in even_places(len(self.links), most)]

    def _best(self, queries: Sequence[Query], scores: np.ndarray) -> list[list[Candidate]]:
        results: list[list[Candidate]] = []
        for query, row in zip(queries, scores, strict=True):
            # A stable sort: equal scores keep the order of the list.
            best = np.argsort(-row, kind="stable")[: query.wanted]
            least = 0.0 if self.rank == "caption" else -1.0
            results.append(
                [
                    self._candidate(query, self.links[self._places[at]], float(row[at]))
                    for at in best
                    if row[at] > least
                ]
            )
        return results

    def _by_caption(self, queries: Sequence[Query]) -> np.ndarray:
        from sklearn.feature_extraction.text import TfidfVectorizer

        if self._matrix is None:
            self._vectorizer = TfidfVectorizer(
                stop_words="english", dtype=np.float32, strip_accents="unicode"
            )
            try:
                self._matrix = self._vectorizer.fit_transform([link.caption for link in self.links])
            except ValueError as error:
                raise RetrievalError(
                    f"The captions of {self.path} hold no words to rank by: {error}."
                ) from error
        asked = self._vectorizer.transform([query.text for query in queries])
        scores = np.asarray((asked @ self._matrix.T).todense())
        for row, query in zip(scores, queries, strict=True):
            row[~self._mentions(query.subject or query.class_name)] = 0
        return scores

    def _mentions(self, subject: str) -> np.ndarray:
        """Return which captions hold a word of the subject, in its singular or plural."""
        vocabulary = self._vectorizer.vocabulary_
        terms = self._vectorizer.build_analyzer()(subject)
        forms = {form for word in terms for form in (word, word + "s", word + "es", word.removesuffix("s"))}
        columns = sorted(vocabulary[form] for form in forms if form in vocabulary)
        return np.asarray(self._matrix[:, columns].sum(axis=1)).ravel() > 0

    def _by_embedding(self, asked: np.ndarray) -> np.ndarray:
        from susx.images.retrieve.download import check_any_fetched, download, download_folder

        if self._matrix is None:
            assert self.work is not None
            assert self.encoder is not None
            fates = download([link.url for link in self.links], self.work, self.download)
            check_any_fetched(fates, str(self.path))
            folder = download_folder(self.work, self.download)
            self._places = [at for at, link in enumerate(self.links) if not fates[link.url].reason]
            files = [folder / fates[self.links[at].url].file for at in self._places]
            self._matrix = np.asarray(self.encoder.encode_images(files))  # type: ignore[attr-defined]
        return np.asarray(asked @ self._matrix.T)

    def _candidate(self, query: Query, link: Link, score: float) -> Candidate:
        return Candidate(
            class_name=query.class_name, prompt=query.prompt, query=query.text, item=link.url, similarity=score,
            url=link.url, caption=link.caption or None, licence=link.licence or None, nsfw=link.nsfw or None,
            source="urls",
        )  # fmt: skip
