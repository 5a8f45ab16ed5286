"""Any clip-retrieval service, through its own ``ClipClient``.

The client posts without a usable timeout (an hour) and parses whatever comes back; the subclass here changes how the
request is sent and leaves what is sent to the client. No aesthetic re-ranking and no de-duplication at the service:
the paper uses neither, and curation counts what it drops.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import requests
import tenacity
from pydantic import PositiveFloat, PositiveInt

from susx.config.ingredients import NotInKey
from susx.encoder_id import EncoderId
from susx.errors import ConfigError, RetrievalError
from susx.images.retrieve.backends.answer_rows import usable_rows
from susx.images.retrieve.backends.backend import (
    About,
    Backend,
    BackendSettings,
    Delivers,
    Opening,
    TextEncoder,
)
from susx.images.retrieve.backends.clip_client import read_answer, timed_client
from susx.images.retrieve.backends.outages import KNOWN_OUTAGE, PUBLIC_SERVICE, ServiceFault
from susx.images.retrieve.backends.pacing import Breaker, RateLimit
from susx.images.retrieve.candidates import Candidate, candidate_from_metadata
from susx.images.retrieve.index_manifest import check_encoder
from susx.images.retrieve.queries import Query
from susx.types import Json

__all__ = ["MANIFEST_PATH", "ServiceBackend", "ServiceSettings"]

logger = logging.getLogger(__name__)

MANIFEST_PATH = "susx-index"
"""Where ``susx index serve`` shows which encoder built its index, beside ``knn-service``."""

CONCURRENCY = 4

_SIDE_BYTES = 1 << 20
"""Of an answer beside the query endpoint: names of indices, facts of one."""

_breakers: dict[str, Breaker] = {}
_limits: dict[tuple[str, float], RateLimit] = {}
_registry_lock = threading.Lock()


class ServiceSettings(BackendSettings):
    """A clip-retrieval service."""

    about: ClassVar[About | None] = About("links, by a clip-retrieval service")
    delivers: ClassVar[frozenset[Delivers]] = frozenset({Delivers.LINKS})

    backend: Literal["service"] = "service"
    url: str | None = None
    """Query endpoint, ending in /knn-service."""
    index_name: str | None = None
    """Name of the index at that service; its only one when not given."""
    query: Literal["text", "embedding"] = "embedding"
    """Whether the service encodes the sentences, or the profile's encoder does."""

    @property
    def takes_features(self) -> bool:
        """Features are sent where the profile's encoder makes them."""
        return self.query == "embedding"

    timeout: Annotated[PositiveFloat, NotInKey()] = 30.0
    """Seconds for one answer."""
    attempts: Annotated[PositiveInt, NotInKey()] = 4
    """Tries per query."""
    rate_limit: Annotated[PositiveFloat, NotInKey()] = 10.0
    """Queries a second, over all workers of a process."""

    def reach(self) -> str:
        """See :meth:`BackendSettings.reach`."""
        from susx.images.retrieve.web.reach import answers

        return answers(_endpoints(self._url())[0])

    def identity(self, encoder: EncoderId) -> Json:
        """Return URL, index and kind of query: a service does not tell when its content changes."""
        return {
            "backend": self.backend, "url": self._url(), "index_name": self.index_name, "query": self.query,
        }  # fmt: skip

    def open(self, opening: Opening) -> Backend:
        """Name the service; nothing is sent yet."""
        return ServiceBackend(
            self._url(), self.index_name, opening.encoder, query=self.query, timeout=self.timeout,
            attempts=self.attempts, rate_limit=self.rate_limit,
        )  # fmt: skip

    def _url(self) -> str:
        if not self.url:
            raise ConfigError(
                "The backend 'service' needs retrieval.url; pass --set retrieval.url=http://HOST:PORT/knn-service."
            )
        return self.url


class ServiceBackend:
    """A clip-retrieval service at a URL."""

    def __init__(
        self, url: str, index_name: str | None, encoder: TextEncoder | None, *, query: str = "embedding",
        timeout: float = 30.0, attempts: int = 5, rate_limit: float = 10.0, backoff: float = 1.0,
    ) -> None:  # fmt: skip
        """Name a service; nothing is sent yet.

        Args:
            url: its query endpoint, ending in /knn-service (added when the URL has no path).
            index_name: index to search; the service's only one when None.
            encoder: makes the embeddings of queries, or tells the encoder expected (text queries).
            query: ``embedding`` (ours) or ``text`` (the service encodes).
            timeout: seconds for one answer.
            attempts: tries per query, for 429, 5xx, timeouts and dropped connections.
            rate_limit: queries a second over all threads of the process.
            backoff: seconds before the second try, doubled each time, with as much jitter.
        """
        self.base, self.url = _endpoints(url)
        self.index_name = index_name
        self.encoder = encoder
        self.query = query
        self.timeout = timeout
        self.attempts = attempts
        self.backoff = backoff
        with _registry_lock:
            self.breaker = _breakers.setdefault(self.url, Breaker())
            self.limit = _limits.setdefault((self.url, rate_limit), RateLimit(rate_limit))

    def search(self, queries: Sequence[Query]) -> list[list[Candidate]]:
        """See :class:`susx.images.retrieve.backends.Backend`; a few queries are under way at a time.

        Raises:
            RetrievalError: the service cannot answer, or answers every query with nothing.
            MismatchError: it says that another encoder built its index.
        """
        if not queries:
            return []
        vectors: list[Any] = [None] * len(queries)
        if self.query == "embedding":
            if self.encoder is None:
                raise ConfigError("Embedding queries need an encoder; set retrieval.query=text or give one.")
            vectors = self.encoder.encode_texts([query.text for query in queries]).tolist()
        return self._search(queries, vectors)

    def search_vectors(self, queries: Sequence[Query], vectors: np.ndarray) -> list[list[Candidate]]:
        """Search with unit rows, shape [queries, dim], in place of the queries' texts; fails as :meth:`search` does."""
        return self._search(queries, vectors.tolist())

    def _search(self, queries: Sequence[Query], vectors: Sequence[Any]) -> list[list[Candidate]]:
        if diagnosis := self.breaker.diagnosis():
            raise RetrievalError(f"{diagnosis} (It failed a moment ago and was not asked again.)")
        name = self._prepare()
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            answered = list(pool.map(lambda q, v: self._answer(q, v, name), queries, vectors))
        self.breaker.succeeded()
        answers, left_out = [], Counter[str]()
        for query, rows in zip(queries, answered, strict=True):
            usable, unusable = usable_rows(rows, query.wanted)
            answers.append(usable)
            left_out += unusable
        told = ", ".join(f"{count} ({reason})" for reason, count in left_out.most_common())
        if left_out:
            logger.warning("%s: rows of its answers were left out: %s", self.url, told)
        if left_out and not any(answers):
            raise RetrievalError(
                f"The kNN service {self.url} answered with rows of which none can be used: {told}. A row needs a number 'similarity', and a "
                "'url' or an 'image'. Does the index have its metadata?"
            )
        if not any(answers):
            raise RetrievalError(
                f"The kNN service {self.url} answered all {len(queries)} queries with an empty list. Its index '{name}' "
                "is empty, or its own safety filter removed everything." + self._outage()
            )
        return [
            [self._candidate(query, row) for row in rows]
            for query, rows in zip(queries, answers, strict=True)
        ]

    def _prepare(self) -> str:
        manifest = self._side(MANIFEST_PATH)
        if isinstance(manifest, dict) and self.encoder is not None and "digest" in manifest:
            made_by = EncoderId(str(manifest.get("encoder")), str(manifest["digest"]))
            check_encoder(self.url, made_by, self.encoder.identity)
        if self.index_name:
            return self.index_name
        names = self._side("indices-list")
        if not isinstance(names, list) or not names:
            logger.info("%s does not list its indices; asking without a name", self.url)
            return ""
        if len(names) > 1:
            raise ConfigError(
                f"{self.url} has several indices; set retrieval.index_name to one of: {', '.join(names)}."
            )
        return str(names[0])

    def _side(self, path: str) -> Any:
        """Ask beside the query endpoint; a service that does not know the path is no problem."""
        try:
            with requests.get(f"{self.base}/{path}", timeout=self.timeout, stream=True) as response:
                body = read_answer(response, time.monotonic() + self.timeout, _SIDE_BYTES)
                return json.loads(body) if response.status_code == 200 else None
        except (requests.RequestException, ServiceFault, ValueError, RecursionError):
            return None

    def _answer(self, query: Query, vector: list[float] | None, name: str) -> list[dict[str, Any]]:
        client = timed_client()(
            url=self.url, indice_name=name, aesthetic_score="", aesthetic_weight="", num_images=query.wanted,
            deduplicate=False,
        )  # fmt: skip
        client.timeout = self.timeout
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self.attempts),
            retry=tenacity.retry_if_exception(
                lambda error: isinstance(error, ServiceFault) and error.transient
            ),
            wait=self._wait,
            reraise=True,
        )
        try:
            for attempt in retrying:
                with attempt:
                    if diagnosis := self.breaker.diagnosis():
                        raise ServiceFault(diagnosis)
                    self.limit.wait()
                    if vector is not None:
                        return client.query(embedding_input=vector)  # type: ignore[no-any-return]
                    return client.query(text=query.text)  # type: ignore[no-any-return]
        except ServiceFault as fault:
            tries = f" (asked {self.attempts} times)" if fault.transient else ""
            self.breaker.failed(fault.diagnosis)
            raise RetrievalError(
                f"{fault.diagnosis}{tries} The query was '{query.text}' for the class '{query.class_name}'."
            ) from fault
        raise AssertionError("unreachable")

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.wait if isinstance(error, ServiceFault) else 0.0
        jittered = tenacity.wait_exponential_jitter(initial=self.backoff, max=30, jitter=self.backoff)(state)
        return max(asked, jittered)

    def _candidate(self, query: Query, row: dict[str, Any]) -> Candidate:
        image = None
        if row.get("image"):
            try:
                image = base64.b64decode(row["image"], validate=True)
            except (binascii.Error, TypeError, ValueError):
                logger.warning("%s sent an image that is not base64 for '%s'", self.url, query.text)
        # A path is the server's own and means nothing here; without bytes the URL is what remains.
        remote = row.get("image_path")
        item = row.get("url") or remote or f"{self.url}#{row.get('id')}"
        columns = {key: value for key, value in row.items() if key.lower() != "image_path"}
        return candidate_from_metadata(
            columns, class_name=query.class_name, prompt=query.prompt, query=query.text, item=str(item),
            similarity=row["similarity"], image=image, source=self.url,
        )  # fmt: skip

    def _outage(self) -> str:
        return KNOWN_OUTAGE if PUBLIC_SERVICE in self.url else ""


def _endpoints(url: str) -> tuple[str, str]:
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ConfigError(f"retrieval.url must be http://HOST:PORT/knn-service; found '{url}'.")
    path = parts.path.rstrip("/") or "/knn-service"
    root = f"{parts.scheme}://{parts.netloc}"
    return root + path.rpartition("/")[0], root + path
