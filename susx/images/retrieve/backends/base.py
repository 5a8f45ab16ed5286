"""What a backend is: queries in, candidates out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from susx.images.retrieve.candidates import Candidate
from susx.images.retrieve.queries import Query
from susx.types import Json

if TYPE_CHECKING:  # the processes that fetch import this package and need no torch
    from jaxtyping import Float
    from torch import Tensor

__all__ = ["Backend", "TextEncoder", "search"]


@runtime_checkable
class TextEncoder(Protocol):
    """The part of an encoder that searching needs."""

    @property
    def id(self) -> str:
        """Architecture name."""

    @property
    def digest(self) -> str:
        """Sha256 over architecture and weights."""

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

    def identity(self) -> Json:
        """Return what tells this backend's content from another's (goes into stage keys)."""


def search(backend: Backend, queries: Sequence[Query]) -> list[list[Candidate]]:
    """Search, and drop results whose captions hold a word that the class excludes."""
    results = backend.search(queries)
    return [
        [candidate for candidate in found if query.admits(candidate.caption)]
        for query, found in zip(queries, results, strict=True)
    ]
