"""A pool of features: ``features.npy`` (unit rows, memory-mapped) and optionally ``rows.csv`` or ``rows.parquet``.

The rows may name a url, an image_path or a caption. A pool without either yields candidates that have features and
no image; :meth:`FeaturePoolBackend.features` returns those.
"""

from __future__ import annotations

import dataclasses
import io
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

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
from susx.images.retrieve.backends.index import files_identity
from susx.images.retrieve.candidates import Candidate, candidate_from_metadata, caption_of, located
from susx.images.retrieve.index_manifest import IndexManifest, check_encoder
from susx.images.retrieve.queries import Query
from susx.text_file import csv_text
from susx.types import Json

if TYPE_CHECKING:  # planning a build needs no torch
    from jaxtyping import Float
    from torch import Tensor

__all__ = ["FeaturePoolBackend", "FeaturesSettings"]

logger = logging.getLogger(__name__)


class FeaturesSettings(BackendSettings):
    """A folder with ``features.npy``."""

    about: ClassVar[About | None] = About("features in place of images", "none stated")
    delivers: ClassVar[frozenset[Delivers]] = frozenset(
        {Delivers.FEATURES, Delivers.WHOLE, Delivers.CAPTIONS}
    )

    joins: ClassVar[bool] = False

    backend: Literal["features"] = "features"
    folder: str | None = None
    """Holds ``features.npy`` and perhaps ``rows.csv`` or ``rows.parquet``."""

    @property
    def takes_features(self) -> bool:
        """Features are what it searches."""
        return True

    def reach(self) -> str:
        """See :meth:`BackendSettings.reach`."""
        existing_path(self.backend, "folder", self.folder)
        return ""

    def identity(self, encoder: EncoderId) -> Json:
        """Return a digest of the folder's files."""
        folder = existing_path(self.backend, "folder", self.folder)
        if manifest := IndexManifest.read(folder):
            check_encoder(str(folder), manifest.made_by, encoder)
        return files_identity(self.backend, folder)

    def open(self, opening: Opening) -> Backend:
        """Open the pool."""
        return FeaturePoolBackend(existing_path(self.backend, "folder", self.folder), opening.encoder)


class FeaturePoolBackend:
    """An unlabelled pool of image features of the same encoder."""

    def __init__(self, folder: Path, encoder: TextEncoder) -> None:
        """Open a pool.

        Raises:
            RetrievalError: there is no features.npy, or it and the rows do not fit.
            MismatchError: ``susx_index.json`` names another encoder.
        """
        path = folder / "features.npy"
        if not path.is_file():
            raise RetrievalError(
                f"{folder} is no feature pool: there is no features.npy [images, dim] in it."
            )
        try:
            self.pool = np.load(path, mmap_mode="c", allow_pickle=False)
        except ValueError as error:
            raise RetrievalError(f"{path} is not a numpy array of features: {error}.") from error
        if self.pool.ndim != 2 or not len(self.pool):
            raise RetrievalError(f"{path} must be an array [images, dim]; found shape {self.pool.shape}.")
        self.folder = folder
        self.encoder = encoder
        self.rows = self._read_rows()
        if manifest := IndexManifest.read(folder):
            check_encoder(str(folder), manifest.made_by, encoder.identity)
        else:
            logger.warning(
                "The pool %s does not say which encoder made it; assuming %s.", folder, encoder.identity
            )

    def search(self, queries: Sequence[Query]) -> list[list[Candidate]]:
        """See :class:`susx.images.retrieve.backends.Backend`.

        Raises:
            InputError: a row of the pool is NaN, infinite or zero.
        """
        if not queries:
            return []
        return self.search_vectors(queries, self.encoder.encode_texts([q.text for q in queries]).numpy())

    def search_vectors(self, queries: Sequence[Query], vectors: np.ndarray) -> list[list[Candidate]]:
        """Search with unit rows, shape [queries, dim], in place of the queries' texts.

        Raises:
            MismatchError: they have another width.
            InputError: a row of the pool is NaN, infinite or zero.
        """
        if vectors.shape[1] != self.pool.shape[1]:
            raise MismatchError(
                f"The pool {self.folder} holds features of width {self.pool.shape[1]}; the encoder "
                f"'{self.encoder.identity.model}' makes {vectors.shape[1]}. Use the encoder that made the pool."
            )
        scores, places = self._top(vectors, max(query.wanted for query in queries))
        return [
            [self._candidate(query, int(p), float(s)) for s, p in zip(row[: query.wanted], at, strict=False)]
            for query, row, at in zip(queries, scores.tolist(), places.tolist(), strict=True)
        ]

    def features(self, candidates: Sequence[Candidate]) -> Float[Tensor, "support dim"]:
        """Return the pool's rows of candidates, normalised, in float32."""
        import torch

        places = [int(candidate.item.rpartition(":")[2]) for candidate in candidates]
        rows = torch.from_numpy(np.asarray(self.pool[places], dtype=np.float32))
        return torch.nn.functional.normalize(rows, dim=-1)

    def feature_parts(self) -> Iterator[np.ndarray]:
        """Yield all features of the source as memory maps [images, dim]."""
        yield self.pool

    def captioned_sample(self) -> tuple[np.ndarray, list[str | None]]:
        """Return features [sample, dim] in float32 and captions of rows evenly spread over the pool."""
        places = sample_places(len(self.pool))
        return np.asarray(self.pool[places], np.float32), [self._caption(row) for row in places]

    def captions(self, most: int) -> list[str | None]:
        """Return captions, of more than ``most`` images those of an even sample; None where there is none."""
        return [self._caption(row) for row in even_places(len(self.pool), most)]

    def _caption(self, row: int) -> str | None:
        return caption_of(self.rows[row]) if self.rows else None

    def _top(self, vectors: np.ndarray, k: int) -> tuple[Tensor, Tensor]:
        import torch

        from susx.features.pool_search import nearest_rows

        asked = torch.from_numpy(np.ascontiguousarray(vectors, np.float32))
        return nearest_rows(asked, torch.from_numpy(self.pool), min(k, len(self.pool)))

    def _candidate(self, query: Query, number: int, score: float) -> Candidate:
        row = self.rows[number] if self.rows else {}
        candidate = candidate_from_metadata(
            row,
            class_name=query.class_name,
            prompt=query.prompt,
            query=query.text,
            item=f"pool:{number}",
            similarity=score,
            source="features",
        )
        return (
            dataclasses.replace(candidate, path=located(candidate.path, self.folder))
            if candidate.path
            else candidate
        )

    def _read_rows(self) -> list[dict[str, Any]]:
        import pandas as pd

        for name, read in (("rows.parquet", pd.read_parquet), ("rows.csv", _read_csv)):
            path = self.folder / name
            if path.is_file():
                rows: list[dict[str, Any]] = read(path).to_dict(orient="records")  # type: ignore[assignment]
                if len(rows) != len(self.pool):
                    raise RetrievalError(
                        f"{path} has {len(rows)} rows and features.npy {len(self.pool)}; they must be the same images."
                    )
                return rows
        return []


def _read_csv(path: Path) -> Any:
    import pandas as pd

    text, delimiter = csv_text(path, error=RetrievalError)
    return pd.read_csv(io.StringIO(text), sep=delimiter)
