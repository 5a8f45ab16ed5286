"""Features of images by what their files hold: an image is encoded once in its life, whoever asks and wherever it lies.

Layout below a store's root::

    features/<encoder>-<precision>/<sha256 of the file>.safetensors    some images: digests, unit rows, perceptual hashes

A file is written beside its name and renamed, so that processes add at the same time; two that encode the same image
both add it, and either is right. Small files become one from time to time. A file that is not what its name says is
passed over, and its images are encoded again.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32
from safetensors import SafetensorError
from safetensors.numpy import load, save

from susx.encoder_id import EncoderId
from susx.errors import StoreError
from susx.store.artefacts import ArtefactStore
from susx.store.disk import write_atomically
from susx.store.fingerprint import digest_bytes
from susx.types import Digest

__all__ = ["FOLDER", "ImageRows", "KnownRows"]

logger = logging.getLogger(__name__)

FOLDER = "features"

_MOST_FILES = 32
"""Small files that a store may hold of an encoder before they become one."""


@dataclass(frozen=True)
class KnownRows:
    """What is known of some images, in the order they were asked for.

    Attributes:
        rows: unit rows; zeros where there is none.
        present: whether there is one.
        hashes: perceptual hashes in hexadecimal; "" where none was taken.
    """

    rows: Float32[np.ndarray, "query dim"]
    present: Bool[np.ndarray, " query"]
    hashes: tuple[str, ...]


class ImageRows:
    """The features of one encoder in a store."""

    def __init__(self, store: ArtefactStore, encoder: EncoderId) -> None:
        """Name them; nothing is read yet.

        Args:
            store: where they lie (beside the local copies, where the store is on an object store).
            encoder: whose features they are.
        """
        self.folder = store.root / FOLDER / f"{encoder.digest[:32]}-{encoder.precision}"
        self._place: dict[bytes, tuple[int, int]] = {}
        self._parts: dict[Path, int] = {}
        self._rows: list[np.ndarray] = []
        self._hashes: list[np.ndarray] = []
        self._hashed: list[np.ndarray] = []

    def look(self, digests: Sequence[Digest]) -> KnownRows:
        """Return what is known of images by the sha256 of their files."""
        self._read()
        places = [self._place.get(bytes.fromhex(digest)) for digest in digests]
        dim = self._rows[0].shape[1] if self._rows else 0
        rows = np.zeros((len(digests), dim), dtype=np.float32)
        hashes = [""] * len(digests)
        for at, row in enumerate(places):
            if row is not None:
                rows[at] = self._rows[row[0]][row[1]]
                if self._hashed[row[0]][row[1]]:
                    hashes[at] = f"{int(self._hashes[row[0]][row[1]]):016x}"
        return KnownRows(rows, np.array([row is not None for row in places], dtype=bool), tuple(hashes))

    def add(
        self, digests: Sequence[Digest], rows: Float32[np.ndarray, "query dim"], hashes: Sequence[str] = ()
    ) -> None:
        """Keep the features of images.

        Args:
            digests: sha256 of their files.
            rows: unit rows.
            hashes: perceptual hashes in hexadecimal, "" for none.

        Raises:
            StoreError: the store cannot be written.
        """
        if not len(digests):
            return
        hash_of = list(hashes) or [""] * len(digests)
        self._write(
            np.frombuffer(bytes.fromhex("".join(digests)), dtype=np.uint8).reshape(-1, 32),
            np.ascontiguousarray(rows, dtype=np.float32),
            np.array([int(word or "0", 16) for word in hash_of], dtype=np.uint64),
            np.array([bool(word) for word in hash_of], dtype=np.uint8),
        )

    def merge(self) -> None:
        """Make one file of many small ones; readers that have the small ones open finish reading them."""
        self._read()
        small = [path for path, _ in sorted(self._parts.items()) if path.is_file()]
        if len(small) <= _MOST_FILES:
            return
        keys = list(self._place)
        self._write(
            np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, 32),
            np.stack([self._rows[part][row] for part, row in self._place.values()]),
            np.array([self._hashes[part][row] for part, row in self._place.values()], dtype=np.uint64),
            np.array([self._hashed[part][row] for part, row in self._place.values()], dtype=np.uint8),
        )
        for path in small:
            path.unlink(missing_ok=True)

    def _write(self, digests: np.ndarray, rows: np.ndarray, hashes: np.ndarray, hashed: np.ndarray) -> None:
        data = save({"digests": digests, "rows": rows, "hashes": hashes, "hashed": hashed})
        path = self.folder / f"{digest_bytes(data)}.safetensors"
        try:
            write_atomically(path, data)
        except OSError as error:
            raise StoreError.of(error, path) from error

    def _read(self) -> None:
        """Take in the files that were not read yet; later ones win, so that a hash that was taken later counts."""
        for path in self._unread():
            # One that was made into another meanwhile is in that one.
            with contextlib.suppress(FileNotFoundError):
                self._take(path)
        with contextlib.suppress(OSError):
            os.utime(self.folder)  # what gc goes by

    def _unread(self) -> Iterator[Path]:
        paths = [path for path in self.folder.glob("*.safetensors") if path not in self._parts]
        return iter(sorted(paths, key=_time))

    def _take(self, path: Path) -> None:
        data = path.read_bytes()
        if digest_bytes(data) != path.stem:
            logger.warning("%s is damaged; its images are encoded again", path)
            self._parts[path] = -1
            return
        try:
            part = load(data)
        except SafetensorError as error:  # the digest says that susx wrote it: another version of susx
            logger.warning("%s cannot be read (%s); its images are encoded again", path, error)
            self._parts[path] = -1
            return
        number = len(self._rows)
        self._parts[path] = number
        self._rows.append(part["rows"])
        self._hashes.append(part["hashes"])
        self._hashed.append(part["hashed"])
        for row, key in enumerate(part["digests"]):
            word = key.tobytes()
            before = self._place.get(word)
            if before is None or not self._hashed[before[0]][before[1]]:
                self._place[word] = (number, row)


def _time(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0
