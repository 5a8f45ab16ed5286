"""What a backend is: settings that know their source and open it; then queries in, candidates out."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, PositiveFloat, field_validator

from susx.config import OVER_FETCH, DownloadConfig
from susx.encoder_id import EncoderId
from susx.errors import ConfigError, RetrievalError
from susx.images.retrieve.candidates import Candidate
from susx.images.retrieve.licences import checked_codes, refuse_other_licences
from susx.images.retrieve.placeholders import without_placeholders
from susx.images.retrieve.queries import Query
from susx.types import Json

if TYPE_CHECKING:  # the processes that fetch import this package and need no torch
    from jaxtyping import Float
    from torch import Tensor

__all__ = [
    "About",
    "Backend",
    "BackendSettings",
    "Delivers",
    "Opening",
    "TextEncoder",
    "even_places",
    "existing_path",
    "sample_places",
    "search",
]


class Delivers(Enum):
    """What comes of a backend beyond candidates. The stages of a build ask for these and for no backend's name.

    What a backend has to do for each: :mod:`susx.images.retrieve.backends.capabilities`.
    """

    LINKS = "links"
    """Images may lie behind links, to be downloaded."""
    FEATURES = "features"
    """Rows of features in place of images (``GivesFeatures``)."""
    WHOLE = "whole"
    """The features of its whole source (``GivesParts``)."""
    CAPTIONS = "captions"
    """Captions (``GivesCaptions``); beside features (``GivesCaptionedSample``) where it delivers its whole source."""


@runtime_checkable
class TextEncoder(Protocol):
    """The part of an encoder that searching needs."""

    @property
    def identity(self) -> EncoderId:
        """Which encoder it is."""

    def encode_texts(self, texts: Sequence[str]) -> Float[Tensor, "prompts dim"]:
        """Return unit rows for sentences."""


@runtime_checkable
class Backend(Protocol):
    """A place where images are searched by text."""

    def search(self, queries: Sequence[Query]) -> list[list[Candidate]]:
        """Return at most ``query.wanted`` candidates per query, best first.

        Raises:
            RetrievalError: the backend cannot answer; the message is a diagnosis.
            MismatchError: it belongs to another encoder.
        """


@dataclass(frozen=True)
class Opening:
    """What a backend may be opened with.

    Attributes:
        encoder: encodes the queries; its digest is compared with the index's.
        download: limits of downloads, for a backend that looks at images itself.
        pool: folder of the embedded pool's index.
        work: folder for downloads that outlive the run.
        build: tells a build from others: a public source that is down is not asked again in one.
    """

    encoder: TextEncoder
    download: DownloadConfig = DownloadConfig()
    pool: Path | None = None
    work: Path | None = None
    build: str = ""


def _listed_codes(value: object) -> tuple[str, ...]:
    codes = value.split(",") if isinstance(value, str) else value
    if not isinstance(codes, list | tuple) or not all(isinstance(word, str) for word in codes):
        raise ValueError("expected codes of licences joined by commas, such as cc0,by")
    try:
        return checked_codes(word.strip() for word in codes if word.strip())
    except ConfigError as error:
        raise ValueError(str(error)) from error


@dataclass(frozen=True)
class About:
    """What people are told of a source before they use it.

    Attributes:
        gives: what it delivers.
        licence: of the images.
        key: the variable of the environment that holds one, and whether it is needed.
    """

    gives: str
    licence: str = "as its rows say"
    key: str = "none"


class BackendSettings(BaseModel, ABC):
    """The ``retrieval`` section of a profile as one backend reads it; each backend's file has its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    delivers: ClassVar[frozenset[Delivers]] = frozenset()
    about: ClassVar[About | None] = None
    """What ``susx sources`` says of it; None leaves it out."""
    joins: ClassVar[bool] = True
    """Whether it can be one of several sources in a chain: its candidates are images, and it needs no preparation."""
    public: ClassVar[bool] = False
    """Whether it asks a public source; it is opened anew for each build, which may find it up again."""

    @property
    def links_alone(self) -> bool:
        """Whether images come as links alone: what fetches them is started while they are searched."""
        return False

    backend: str
    over_fetch: PositiveFloat = OVER_FETCH
    licence: tuple[str, ...] = ()
    """Creative Commons licences that are admitted, of cc0, pdm, by, by-sa, by-nd, by-nc, by-nc-sa and by-nc-nd; all where none is said.
    An image of another licence, or of none that its source states, is not fetched and counts as ``licence``."""

    _licence = field_validator("licence", mode="before")(_listed_codes)

    @property
    def takes_features(self) -> bool:
        """Whether images are searched by features too (``SearchesVectors``): by image."""
        return False

    @property
    def holds_features(self) -> bool:
        """Whether the features of the whole source lie there, where its kind delivers them."""
        return Delivers.WHOLE in self.delivers

    def reach(self) -> str:
        """Return "" where the source can be reached now, else what is missing or wrong; no question is asked that counts.

        Raises:
            ConfigError, RetrievalError: say the same.
        """
        return ""

    def left(self) -> str:
        """Return how many requests it takes today, "" where it sets no limit."""
        return ""

    def check(self) -> None:
        """Refuse settings that are right one by one and not together.

        Raises:
            ConfigError: says which.
        """

    @abstractmethod
    def identity(self, encoder: EncoderId) -> Json:
        """Return what tells the source's content from another's, without opening it; it goes into stage keys.

        All that a search reads; images in files that candidates name by ``path`` are looked at by the stage ``fetch``. Files are hashed again when size, mtime, ctime or inode changed (:class:`susx.store.FileDigests`).

        Raises:
            ConfigError: a setting the backend needs is missing.
            RetrievalError: the source is not there.
            MismatchError: it says that another encoder made it.
        """

    @abstractmethod
    def open(self, opening: Opening) -> Backend:
        """Open the source.

        Raises:
            ConfigError: a setting or part that the backend needs is missing.
            RetrievalError, MismatchError: see the backend.
        """


def existing_path(backend: str, key: str, value: str | None) -> Path:
    """Return the path that a backend cannot do without.

    Raises:
        ConfigError: it was not given.
        RetrievalError: it is not there.
    """
    if not value:
        raise ConfigError(f"The backend '{backend}' needs retrieval.{key}; pass --set retrieval.{key}=PATH.")
    path = Path(value).expanduser()
    if not path.exists():
        raise RetrievalError(
            f"The backend '{backend}' is told to use {path} (retrieval.{key}), which is not there."
        )
    return path


def even_places(total: int, most: int) -> range:
    """Return at most ``most`` places, evenly spread over ``total``."""
    return range(0, total, max(1, math.ceil(total / most)))


def sample_places(total: int, blocks: int = 64, rows: int = 1024) -> list[int]:
    """Return places of blocks of rows, evenly spread over ``total``; all of them where there are no more."""
    step = max(rows, math.ceil(total / blocks))
    return [row for first in range(0, total, step) for row in range(first, min(first + rows, total))]


def search(backend: Backend, queries: Sequence[Query], licences: Sequence[str] = ()) -> list[list[Candidate]]:
    """Search, drop results whose captions hold a word that the class excludes, and mark those of licences that are not admitted.

    Bytes that come with the rows of several pages are marked too: they show no image of theirs.
    """
    results = backend.search(queries)
    return [
        without_placeholders(
            refuse_other_licences(
                (candidate for candidate in candidates if query.admits(candidate.caption)), licences
            )
        )
        for query, candidates in zip(queries, results, strict=True)
    ]
