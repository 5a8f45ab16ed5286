"""Features that a store has of photographs already, for whoever was given files: by content, in a store that is there.

``susx label`` fills it. Nobody who was given no store makes one: where there is none, everything is encoded.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32

from susx.encoder_id import EncoderId
from susx.errors import StoreError
from susx.store import ArtefactStore, digest_file
from susx.store.image_rows import ImageRows
from susx.types import Digest

__all__ = ["RememberedFeatures"]

logger = logging.getLogger(__name__)


class RememberedFeatures:
    """One encoder's features in a store; threads may ask at once."""

    def __init__(self, store: Path, encoder: EncoderId) -> None:
        """Name them; nothing is read yet.

        Args:
            store: folder of a store.
            encoder: whose features they are.
        """
        self.store, self.encoder = store, encoder
        self._rows = ImageRows(ArtefactStore(store), encoder)
        self._lock = threading.Lock()

    @property
    def is_empty(self) -> bool:
        """Whether the store has nothing of the encoder, so that no file need be read for its digest."""
        return not self._rows.folder.is_dir()

    def look(
        self, digests: Sequence[Digest]
    ) -> tuple[Float32[np.ndarray, "images dim"], Bool[np.ndarray, " images"]]:
        """Return unit rows, and which of them the store has; the others are zeros."""
        with self._lock:
            there = self._rows.look(digests)
        return there.rows, there.present

    def of_file(self, path: Path) -> Float32[np.ndarray, " dim"] | None:
        """Return the unit row of a file's content; None where the store has none, or the file cannot be read."""
        if self.is_empty:
            return None
        with contextlib.suppress(OSError, ValueError):  # ValueError: a NUL in the path
            rows, there = self.look([digest_file(path)])
            if there[0]:
                row: np.ndarray = rows[0]
                return row
        return None

    def add(self, digests: Sequence[Digest], rows: Float32[np.ndarray, "images dim"]) -> None:
        """Keep the features of files; one that cannot be kept is encoded again, and no reason to fail."""
        try:
            with self._lock:
                self._rows.add(digests, rows)
        except StoreError as error:
            logger.warning("features of %d images are not kept: %s", len(digests), error)
