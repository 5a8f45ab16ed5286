"""Pictures of the page: made when they are looked at, small ones kept beside the result."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import threading
from pathlib import Path

from PIL import Image

from susx.errors import InputError
from susx.image_files import LOCAL, BadImage, open_image
from susx.store import write_atomically
from susx.types import Digest

__all__ = ["Gone", "Pictures"]

SMALL, LARGE = 320, 2000
"""Longest side in pixels: of a tile (twice what it is shown at on most screens), of the zoom."""


class Gone(InputError):
    """A photograph that is not where it was, is another one now, or cannot be decoded."""


class Pictures:
    """Pictures of files below one folder.

    Args:
        photographs: what the paths are relative to.
        cache: where small pictures are kept; one that cannot be written is only slower.
    """

    def __init__(self, photographs: Path, cache: Path) -> None:
        self._photographs, self._cache = photographs, cache
        self._decoding = threading.BoundedSemaphore(max(2, os.cpu_count() or 1))

    def small(self, path: str, digest: Digest) -> bytes:
        """Return a JPEG for a tile.

        Raises:
            Gone: there is no such picture; says why.
        """
        kept = self._cache / digest[:2] / f"{digest}.jpg"
        with contextlib.suppress(OSError):
            return kept.read_bytes()
        data = self._jpeg(path, digest, SMALL)
        with contextlib.suppress(OSError):
            write_atomically(kept, data)
        return data

    def large(self, path: str, digest: Digest) -> bytes:
        """Return a JPEG for the zoom.

        Raises:
            Gone: as ``small``.
        """
        return self._jpeg(path, digest, LARGE)

    def _jpeg(self, path: str, digest: Digest, side: int) -> bytes:
        file = self._photographs / path
        with self._decoding:
            try:
                data = file.read_bytes()
            except OSError as error:
                raise Gone(
                    f"There is no photograph at {file} any more. Give its new folder with --photos."
                ) from error
            # An answer belongs to the content that was labelled: another picture under its name must not get it.
            if hashlib.sha256(data).hexdigest() != digest:
                raise Gone(
                    f"{file} is another photograph than the one that was labelled. Label the folder again."
                )
            try:
                image = open_image(data, LOCAL)
            except BadImage as error:
                raise Gone(str(error)) from error
            image.thumbnail((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=85)
        return buffer.getvalue()
