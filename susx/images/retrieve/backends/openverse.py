"""Openverse's public API of openly licensed images (api.openverse.org, version 1), searched by a class's name.

Its documentation: pages of 20 images; without a key 20 requests a minute, 200 a day and the first 240 results of a query, with one
100 a minute and 10,000 a day. Keys come from ``$SUSX_OPENVERSE_TOKEN``, or from ``$SUSX_OPENVERSE_ID`` and ``$SUSX_OPENVERSE_SECRET``.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, ClassVar, Literal

import requests
from pydantic import PositiveInt

from susx.config.ingredients import NotInKey
from susx.encoder_id import EncoderId
from susx.errors import ConfigError
from susx.images.retrieve.backends.backend import About, Backend, Opening
from susx.images.retrieve.backends.public_source import AT_ONCE, PublicSourceSettings
from susx.images.retrieve.candidates import Candidate
from susx.images.retrieve.keyword import search_by_subject
from susx.images.retrieve.licences import read_licence
from susx.images.retrieve.queries import Query
from susx.images.retrieve.web import Limit, WebClient, user_agent
from susx.images.retrieve.web.fields import is_link, text
from susx.types import Json

__all__ = ["ADDRESS", "ANONYMOUS", "PAGE", "REGISTERED", "OpenverseBackend", "OpenverseSettings"]

ADDRESS = "https://api.openverse.org/v1/"
PAGE = 20
MOST = 240
"""Results of one query that are shown without a key."""

ANONYMOUS = (Limit(20, 60), Limit(200, 86400))
REGISTERED = (Limit(100, 60), Limit(10_000, 86400))

TOKEN, ID, SECRET = "SUSX_OPENVERSE_TOKEN", "SUSX_OPENVERSE_ID", "SUSX_OPENVERSE_SECRET"

_CONCURRENCY = 4


class OpenverseSettings(PublicSourceSettings):
    """Openverse: openly licensed images by name."""

    about: ClassVar[About | None] = About(
        "photographs by name, as links", "CC, of each image", "SUSX_OPENVERSE_TOKEN, optional"
    )
    backend: Literal["openverse"] = "openverse"
    address: str = ADDRESS
    size: Literal["original", "thumbnail"] = "original"
    """Which image is fetched: the original at its own host, or Openverse's thumbnail (600 pixels wide)."""
    mature: bool = False
    """Whether images are asked for that Openverse calls mature."""
    per_minute: Annotated[PositiveInt | None, NotInKey()] = None
    """Requests a minute in place of Openverse's own limit."""
    per_day: Annotated[PositiveInt | None, NotInKey()] = None
    """Requests a day in place of Openverse's own limit."""

    def limits(self) -> Sequence[Limit]:
        """See :meth:`PublicSourceSettings.limits`."""
        minute, day = (limit.requests for limit in (REGISTERED if self.registered else ANONYMOUS))
        return Limit(self.per_minute or minute, 60), Limit(self.per_day or day, 86400)

    @property
    def registered(self) -> bool:
        """See :meth:`PublicSourceSettings.registered`."""
        return has_key()

    def key(self, base: str) -> Callable[[], str | None]:
        """See :meth:`PublicSourceSettings.key`."""
        return functools.partial(authorization, base)

    def identity(self, encoder: EncoderId) -> Json:
        """Return address and what is asked for: a service does not tell when its content changes."""
        return {
            "backend": self.backend, "address": self.address, "size": self.size, "mature": self.mature,
        }  # fmt: skip

    def open(self, opening: Opening) -> Backend:
        """Name the service; nothing is sent yet."""
        return OpenverseBackend(
            self.client(opening.work, opening.build), self.licence, size=self.size, mature=self.mature
        )


class OpenverseBackend:
    """Openverse, asked by subject: the name of a class and what tells it from its namesakes."""

    def __init__(
        self, client: WebClient, licences: Sequence[str] = (), *, size: str = "original", mature: bool = False
    ) -> None:
        self.client = client
        self.licences = tuple(licences)
        self.size = size
        self.mature = mature

    def search(self, queries: Sequence[Query]) -> list[list[Candidate]]:
        """See :class:`susx.images.retrieve.backends.Backend`.

        Raises:
            SourceDown, LimitReached: see :class:`susx.images.retrieve.web.WebClient`.
        """
        return search_by_subject(queries, self._find, at_once=AT_ONCE)

    def _find(self, query: Query) -> list[Candidate]:
        """Ask page after page until there are enough results or no more; those of one page that its first announced come together."""
        pages = math.ceil(min(query.wanted, MOST) / PAGE)
        first = self._page(query, 1)
        announced = first.get("page_count")
        sure = min(pages, announced) if isinstance(announced, int) and announced > 0 else 1
        answers = [first]
        if sure > 1:
            with ThreadPoolExecutor(_CONCURRENCY) as pool:
                answers += pool.map(lambda number: self._page(query, number), range(2, sure + 1))
        images: dict[str, Candidate] = {}
        for answer in answers:
            self._take(query, answer, images)
        # What a first page announces need not be true.
        for number in range(len(answers) + 1, pages + 1):
            before = len(images)
            if len(answers[-1]["results"]) < PAGE:
                break
            answers.append(self._page(query, number))
            self._take(query, answers[-1], images)
            if len(images) == before:
                break
        return list(images.values())[: query.wanted]

    def _page(self, query: Query, number: int) -> dict[str, Any]:
        subject = query.subject or query.class_name
        asked_words = subject if query.context.lower() in subject.lower() else f"{subject} {query.context}"
        parameters = {
            "q": asked_words, "page": str(number), "page_size": str(PAGE), "mature": "true" if self.mature else "false",
        }  # fmt: skip
        if self.licences:
            parameters["license"] = ",".join(sorted(self.licences))
        if number > 1:
            return self.client.get("images/", parameters, _lacks, missing={"results": []})  # type: ignore[no-any-return]
        return self.client.get("images/", parameters, _lacks)  # type: ignore[no-any-return]

    def _take(self, query: Query, answer: dict[str, Any], candidates: dict[str, Candidate]) -> None:
        for row in answer["results"]:
            candidate = self._candidate(query, row) if isinstance(row, dict) else None
            if candidate is not None and (self.mature or row.get("mature") is not True):
                candidates.setdefault(candidate.item, candidate)

    def _candidate(self, query: Query, row: dict[str, Any]) -> Candidate | None:
        link = row.get("thumbnail") if self.size == "thumbnail" else row.get("url")
        number = text(row.get("id"))
        if not is_link(link) or number is None:
            return None
        licence = " ".join(filter(None, (text(row.get("license")), text(row.get("license_version")))))
        code = read_licence(licence)
        page = row.get("foreign_landing_url")
        return Candidate(
            class_name=query.class_name, prompt=query.prompt, query=query.text, item=f"openverse:{number}", similarity=0.0,
            url=link, caption=text(row.get("title")), licence=code.name if code else licence or None,
            source="openverse", author=text(row.get("creator")), page=page if is_link(page) else None,
        )  # fmt: skip


def _lacks(answer: Any) -> str:
    if not isinstance(answer, dict) or not isinstance(answer.get("results"), list):
        return "a list 'results' is expected" + (
            f", found the fields {', '.join(sorted(map(str, answer))[:8])}"
            if isinstance(answer, dict)
            else ""
        )
    rows = answer["results"]
    if rows and not any(isinstance(row, dict) and "id" in row and "url" in row for row in rows):
        return "results with 'id' and 'url' are expected"
    return ""


def has_key() -> bool:
    """Whether the environment holds a key."""
    return bool(os.environ.get(TOKEN) or (os.environ.get(ID) and os.environ.get(SECRET)))


def authorization(base: str) -> str | None:
    """Return the header's value, from a token or from what a token is given for; None without a key.

    Raises:
        ConfigError: no token is given for the id and secret.
    """
    if token := os.environ.get(TOKEN):
        return f"Bearer {token.strip()}"
    number, secret = os.environ.get(ID), os.environ.get(SECRET)
    return f"Bearer {_token(base, number, secret)}" if number and secret else None


@functools.lru_cache(maxsize=4)
def _token(base: str, number: str, secret: str) -> str:
    try:
        response = requests.post(
            f"{base}auth_tokens/token/", timeout=10, allow_redirects=False, headers={"User-Agent": user_agent()},
            data={"grant_type": "client_credentials", "client_id": number, "client_secret": secret},
        )  # fmt: skip
        return str(response.json()["access_token"])
    except (requests.RequestException, ValueError, KeyError, TypeError):
        raise ConfigError(
            f"Openverse ({base}) gives no token for {ID} and {SECRET}; check them, or take them out of the environment to ask without a key."
        ) from None
