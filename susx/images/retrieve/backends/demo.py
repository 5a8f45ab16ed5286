"""The embedded pool: captioned textures that a stage of the build draws, encodes and indexes."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import PositiveInt

from susx.encoder_id import EncoderId
from susx.errors import ConfigError
from susx.images.retrieve.backends.backend import Backend, BackendSettings, Delivers, Opening
from susx.types import Json

__all__ = ["DemoSettings"]


class DemoSettings(BackendSettings):
    """The embedded pool."""

    delivers: ClassVar[frozenset[Delivers]] = frozenset({Delivers.WHOLE, Delivers.CAPTIONS})

    joins: ClassVar[bool] = False

    backend: Literal["demo"] = "demo"
    pool_size: PositiveInt = 8000
    """Images in the pool."""

    @property
    def takes_features(self) -> bool:
        """Features are what it searches."""
        return True

    def identity(self, encoder: EncoderId) -> Json:
        """Return the digest of the code that draws the pool: nothing else of it is stored that could tell."""
        from susx.demo.drawing import drawing_digest

        return {"backend": self.backend, "drawing": drawing_digest(pool=True)}

    def open(self, opening: Opening) -> Backend:
        """Open the index of the drawn pool."""
        from susx.images.retrieve.backends.index import IndexBackend

        if opening.pool is None:
            raise ConfigError(
                "The backend 'demo' needs the folder of the embedded pool's index; none was prepared."
            )
        return IndexBackend(opening.pool, opening.encoder, name=self.backend)
