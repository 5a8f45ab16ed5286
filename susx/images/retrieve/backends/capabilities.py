"""What backends do beyond searching by text, a protocol each; the settings of a backend say which of them it keeps.

Stages ask for a protocol and for no backend's name. That an opened backend keeps what its settings promise is checked where it is
opened, so that a backend of another package is refused by name and not in the middle of a build.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from susx.errors import ConfigError
from susx.images.retrieve.backends.backend import Backend, BackendSettings, Delivers
from susx.images.retrieve.candidates import Candidate
from susx.images.retrieve.queries import Query

if TYPE_CHECKING:  # planning a build needs no torch
    from jaxtyping import Float
    from torch import Tensor

__all__ = [
    "GivesCaptionedSample",
    "GivesCaptions",
    "GivesFeatures",
    "GivesParts",
    "SearchesVectors",
    "check_kept",
    "promised",
]


@runtime_checkable
class SearchesVectors(Protocol):
    """Images are searched by features too: ``BackendSettings.takes_features``."""

    def search_vectors(self, queries: Sequence[Query], vectors: np.ndarray) -> list[list[Candidate]]:
        """Search with unit rows, shape [queries, dim], in place of the queries' texts; fails as ``search`` does."""


@runtime_checkable
class GivesFeatures(Protocol):
    """Rows of features in place of images: ``Delivers.FEATURES``."""

    def features(self, candidates: Sequence[Candidate]) -> Float[Tensor, "support dim"]:
        """Return the unit rows of candidates that a search returned, in float32."""


@runtime_checkable
class GivesParts(Protocol):
    """The features of the whole source: ``Delivers.WHOLE``."""

    def feature_parts(self) -> Iterator[np.ndarray]:
        """Yield all features [images, dim] in parts, which need not fit into memory together."""


@runtime_checkable
class GivesCaptions(Protocol):
    """Captions: ``Delivers.CAPTIONS``."""

    def captions(self, most: int) -> list[str | None]:
        """Return captions, of more than ``most`` images those of an even sample; None where there is none."""


@runtime_checkable
class GivesCaptionedSample(Protocol):
    """Features and captions of the same images: ``Delivers.WHOLE`` and ``Delivers.CAPTIONS`` together."""

    def captioned_sample(self) -> tuple[np.ndarray, list[str | None]]:
        """Return features [sample, dim] in float32 and captions of images evenly spread over the source."""


_KEPT: Mapping[Delivers, type] = {
    Delivers.FEATURES: GivesFeatures, Delivers.WHOLE: GivesParts, Delivers.CAPTIONS: GivesCaptions,
}  # fmt: skip


def promised(settings: BackendSettings) -> list[type]:
    """Return the protocols that a backend with these settings keeps."""
    kept = [protocol for delivery, protocol in _KEPT.items() if delivery in settings.delivers]
    if settings.delivers >= {Delivers.WHOLE, Delivers.CAPTIONS}:
        kept.append(GivesCaptionedSample)
    return [Backend, *([SearchesVectors] if settings.takes_features else []), *kept]


def check_kept(backend: Backend, settings: BackendSettings) -> Backend:
    """Return a backend that keeps what its settings promise.

    Raises:
        ConfigError: it lacks a method.
    """
    for protocol in promised(settings):
        if not isinstance(backend, protocol):
            raise ConfigError(
                f"The backend '{settings.backend}' promises what it does not do: {type(backend).__name__} keeps no "
                f"{protocol.__name__} ({protocol.__module__}). Correct the package that offers it."
            )
    return backend
