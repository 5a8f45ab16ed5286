"""A data set on the Hugging Face Hub through its viewer's ``/search``, where there is no parquet to be read.

Its documentation: full-text search over one split, 100 rows a call, 500 calls in five minutes; cells of images are links that are signed
and expire. So an image is fetched when its row is found, and the row is asked for again where its link has run out.
"""

from __future__ import annotations

import hashlib
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import PositiveInt

from susx.config import DownloadConfig
from susx.config.ingredients import NotInKey
from susx.encoder_id import EncoderId
from susx.errors import ConfigError, RetrievalError, did_you_mean
from susx.images.fetch.network_guard import FetchGuard, build_opener
from susx.images.retrieve.backends.backend import About, Backend, Opening
from susx.images.retrieve.backends.columns import Columns, names_of_feature, row_candidate, text_cell
from susx.images.retrieve.backends.public_source import AT_ONCE, PublicSourceSettings
from susx.images.retrieve.candidates import Candidate
from susx.images.retrieve.keyword import search_by_subject
from susx.images.retrieve.licences import read_licence
from susx.images.retrieve.name_score import NameScore
from susx.images.retrieve.queries import Query
from susx.images.retrieve.reasons import fetch_reason
from susx.images.retrieve.web import Limit, WebClient, user_agent
from susx.images.retrieve.web.fields import is_link
from susx.store.disk import whole_file
from susx.types import Json

__all__ = ["ADDRESS", "PAGE", "TOKEN", "ViewerBackend", "ViewerSettings"]

ADDRESS = "https://datasets-server.huggingface.co/"
PAGE = 100
_PAGES = 10
"""Pages of one name, at most."""

TOKEN = "HF_TOKEN"

Row = tuple[int, int, dict[str, Any]]
"""Offset of the page, place in the split, cells."""


class ViewerSettings(PublicSourceSettings):
    """A data set on the Hub, searched through its viewer."""

    about: ClassVar[About | None] = About(
        "images of a data set on the Hub, by words", key=f"{TOKEN}, optional"
    )

    backend: Literal["viewer"] = "viewer"
    address: str = ADDRESS
    dataset: str | None = None
    """``owner/name`` on the Hub."""
    config: str | None = None
    """Its configuration; its only one, or ``default``, when not given."""
    split: str | None = None
    """Split that is searched; its only one, or ``train``, when not given."""
    caption: str | None = None
    label: str | None = None
    image: str | None = None
    link: str | None = None
    calls: Annotated[PositiveInt, NotInKey()] = 500
    """Requests in five minutes."""

    @property
    def links_alone(self) -> bool:
        """Signed links run out: their images are fetched in the search."""
        return False

    def limits(self) -> Sequence[Limit]:
        """See :meth:`PublicSourceSettings.limits`."""
        return (Limit(self.calls, 300),)

    @property
    def registered(self) -> bool:
        """See :meth:`PublicSourceSettings.registered`."""
        return bool(os.environ.get(TOKEN))

    def key(self, base: str) -> Callable[[], str | None]:
        """See :meth:`PublicSourceSettings.key`."""
        return lambda: f"Bearer {token.strip()}" if (token := os.environ.get(TOKEN)) else None

    def reach(self) -> str:
        """See :meth:`BackendSettings.reach`."""
        self._named()
        return super().reach()

    def identity(self, encoder: EncoderId) -> Json:
        """Return the data set and what is searched of it: a service does not tell when its content changes."""
        self._named()
        include = {"backend", "address", "dataset", "config", "split", "caption", "label", "image", "link"}
        return self.model_dump(include=include)

    def open(self, opening: Opening) -> Backend:
        """Name the data set; nothing is sent yet."""
        chosen = {"caption": self.caption, "label": self.label, "image": self.image, "link": self.link}
        return ViewerBackend(
            self.client(opening.work, opening.build), self._named(), self.config, self.split, chosen, self.licence, opening.download,
            opening.work,
        )  # fmt: skip

    def _named(self) -> str:
        if not self.dataset:
            raise ConfigError(
                "The backend 'viewer' needs retrieval.dataset; pass --set retrieval.dataset=OWNER/NAME."
            )
        return self.dataset


class ViewerBackend:
    """One split of a data set."""

    def __init__(
        self, client: WebClient, dataset: str, config: str | None, split: str | None, chosen: Mapping[str, str | None],
        licences: Sequence[str] = (), download: DownloadConfig | None = None, work: Path | None = None,
    ) -> None:  # fmt: skip
        """Name a split.

        Args:
            client: asks the viewer.
            dataset, config, split: what is searched; config and split are looked up where they are None.
            chosen: columns that a person names.
            licences: admitted licences, which decide where the rows state any.
            download: limits of an image.
            work: folder that outlives the run, for images that were fetched.
        """
        self.client, self.dataset, self.config, self.split = client, dataset, config, split
        self.chosen, self.licences = dict(chosen), tuple(licences)
        self.work = work
        limits = download or DownloadConfig()
        self.timeout = limits.timeout
        self._renewing = threading.Lock()
        self._opener = build_opener(
            FetchGuard(
                limits.allow_private, limits.allow_hosts, limits.max_bytes, 3 * limits.timeout, limits.respect_opt_out
            )
        )  # fmt: skip

    def search(self, queries: Sequence[Query]) -> list[list[Candidate]]:
        """See :class:`susx.images.retrieve.backends.Backend`; an image that cannot be had is a candidate with the reason.

        Raises:
            SourceDown, LimitReached: see :class:`susx.images.retrieve.web.WebClient`.
            RetrievalError: the data set is not there, or has nothing to search by.
            ConfigError: it has several configurations or splits, or no column that was named.
        """
        return search_by_subject(queries, self._find, at_once=AT_ONCE) if queries else []

    def _find(self, query: Query) -> list[Candidate]:
        config, split = self._where()
        name = NameScore(query.subject or query.class_name)
        wanted: dict[int, tuple[int, Candidate, str]] = {}
        for offset in range(0, _PAGES * PAGE, PAGE):
            answer = self._page(config, split, query, offset)
            columns, labels = self._columns(answer)
            for row, cells in _rows(answer):
                texts = text_cell(cells.get(columns.label), labels) if columns.label else []
                if row in wanted or not name.of(texts, text_cell(cells.get(columns.caption))):
                    continue
                one, link = self._candidate(query, row, cells, columns, labels)
                if (link or one.url) and self._admitted(one):
                    wanted[row] = (offset, one, link)
            if len(wanted) >= query.wanted or len(answer["rows"]) < PAGE:
                break
        chosen = [*wanted.items()][: query.wanted]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return [
                *pool.map(lambda entry: self._with_image(query, config, split, entry[0], *entry[1]), chosen)
            ]

    def _where(self) -> tuple[str, str]:
        """Return configuration and split, asked for where they were not named."""
        if self.config is not None and self.split is not None:
            return self.config, self.split
        answer = self.client.get(
            "splits", {"dataset": self.dataset}, lambda answer: _lacks_list(answer, "splits")
        )
        pairs = [
            (str(row.get("config")), str(row.get("split")))
            for row in answer["splits"]
            if isinstance(row, dict)
        ]
        config = _only(self.config, [config for config, _ in pairs], "config", "default", self.dataset)
        return config, _only(self.split, [s for c, s in pairs if c == config], "split", "train", self.dataset)

    def _page(self, config: str, split: str, query: Query, offset: int, *, again: bool = False) -> Any:
        parameters = {
            "dataset": self.dataset, "config": config, "split": split, "query": query.subject or query.class_name,
            "offset": str(offset), "length": str(PAGE),
        }  # fmt: skip
        return self.client.get("search", parameters, lambda answer: _lacks_list(answer, "rows"), again=again)

    def _columns(self, answer: Mapping[str, Any]) -> tuple[Columns, list[str]]:
        """Return what the columns say, and the names of classes that are numbers."""
        features = answer.get("features")
        types = {
            str(one.get("name")): one.get("type")
            for one in (features if isinstance(features, list) else ())
            if isinstance(one, dict)
        }
        names = [*types] or [*{key: None for _, cells in _rows(answer) for key in cells}]
        if not names and not answer["rows"]:
            return Columns(), []
        columns = Columns.of(names, self.chosen, f"The data set {self.dataset}")
        return columns, names_of_feature(types.get(columns.label))

    def _candidate(
        self, query: Query, row: int, cells: Mapping[str, Any], columns: Columns, labels: Sequence[str]
    ) -> tuple[Candidate, str]:
        """Return a row as a candidate without its image, and the signed link to that, "" where it has none."""
        shown = cells.get(columns.image) if columns.image else None
        link = shown.get("src") if isinstance(shown, dict) else None
        others = {**cells, columns.image: None} if columns.image else cells
        one = row_candidate(
            query, others, columns, labels, source="viewer", item=f"viewer:{self.dataset}#{row}"
        )
        return (one if is_link(one.url) else replace(one, url=None)), str(link) if is_link(link) else ""

    def _admitted(self, one: Candidate) -> bool:
        code = read_licence(one.licence)
        return not self.licences or (code is not None and code.code in self.licences)

    def _with_image(
        self, query: Query, config: str, split: str, row: int, offset: int, one: Candidate, link: str
    ) -> Candidate:
        """Fetch the image behind a signed link, once for all runs; the row is asked for again where the link has run out."""
        if not link:
            return one
        kept = self._kept(f"{self.dataset}/{config}/{split}#{row}")
        image = kept.read_bytes() if kept is not None and kept.is_file() else None
        problem = ""
        for fresh in (False, True) if image is None else ():
            if fresh:
                link = self._fresh_link(query, config, split, row, offset, link)
            if not link:
                problem = "gone: the row is not among the results any more"
                break
            image, problem = self._fetch(link)
            if image is not None or not problem.startswith(
                ("HTTP Error 401", "HTTP Error 403", "HTTP Error 404", "HTTP Error 410")
            ):
                break  # fmt: skip
        if image is None:
            return replace(one, url=None, refused=fetch_reason(problem), detail=problem)
        if kept is not None and not kept.is_file():
            with whole_file(kept) as partial:
                partial.write_bytes(image)
        return replace(one, image=image, url=None, item=hashlib.sha256(image).hexdigest())

    def _fresh_link(self, query: Query, config: str, split: str, row: int, offset: int, expired: str) -> str:
        """Return the link of a row in a newer answer, "" where the row is in it no more; a page is asked for again once for all its rows."""
        with self._renewing:
            for again in (False, True):
                answer = self._page(config, split, query, offset, again=again)
                columns, labels = self._columns(answer)
                cells = dict(_rows(answer)).get(row)
                link = self._candidate(query, row, cells, columns, labels)[1] if cells else ""
                if link != expired:
                    return link
        return ""

    def _fetch(self, link: str) -> tuple[bytes | None, str]:
        request = urllib.request.Request(link, headers={"User-Agent": user_agent()})
        try:
            with self._opener.open(request, timeout=self.timeout) as response:
                return response.read(), ""
        except (OSError, ValueError, urllib.error.URLError) as error:
            return None, str(error)

    def _kept(self, row: str) -> Path | None:
        if self.work is None:
            return None
        key = hashlib.sha256(row.encode()).hexdigest()[:32]
        return self.work / "viewer" / key[:2] / f"{key}.image"


def _rows(answer: Mapping[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    for entry in answer["rows"]:
        row, cells = (entry.get("row_idx"), entry.get("row")) if isinstance(entry, dict) else (None, None)
        if isinstance(row, int) and isinstance(cells, dict):
            yield row, cells


def _only(named: str | None, offered: Sequence[str], what: str, usual: str, dataset: str) -> str:
    """Return the configuration or split that is meant.

    Raises:
        RetrievalError: there is none.
        ConfigError: there are several, or none of that name.
    """
    names = list(dict.fromkeys(offered))
    if not names:
        raise RetrievalError(
            f"The data set {dataset} (retrieval.dataset) has no {what} that its viewer shows."
        )
    if named is not None and named not in names:
        raise ConfigError(
            f"retrieval.{what}: {dataset} has no '{named}', only {', '.join(names)}.{did_you_mean(named, names)}"
        )
    if named is None and len(names) > 1 and usual not in names:
        raise ConfigError(f"{dataset} has several; set retrieval.{what} to one of {', '.join(names)}.")
    return named or (names[0] if len(names) == 1 else usual)


def _lacks_list(answer: Any, field: str) -> str:
    if isinstance(answer, dict) and isinstance(answer.get(field), list):
        return ""
    fields = (
        f", found the fields {', '.join(sorted(map(str, answer))[:8])}" if isinstance(answer, dict) else ""
    )
    return f"a list '{field}' is expected{fields}"
