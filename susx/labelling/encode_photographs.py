"""Photographs into features: each file is read once, checked against its digest, decoded once and hashed on the way."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from susx.image_files import LOCAL, BadImage, open_image
from susx.images.inspect import perceptual_hash
from susx.types import Digest

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Encoded", "Encodes", "Photo", "encode_photos", "hash_photos", "no_hash"]

CHANGED = "changed while the folder was read"
GONE = "gone while the folder was read"

_BLOCK = 512
"""Images after which what was encoded is handed out: what a kill costs."""


@dataclass(frozen=True)
class Photo:
    """A file, and the sha256 it had when the folder was looked at."""

    path: Path
    digest: Digest


@dataclass(frozen=True)
class Encoded:
    """Some photographs.

    Attributes:
        digests: of those that could be used.
        features: their unit rows.
        hashes: their perceptual hashes in hexadecimal.
        reasons: digest -> why the others could not.
    """

    digests: tuple[Digest, ...]
    features: Float32[np.ndarray, "query dim"]
    hashes: tuple[str, ...]
    reasons: dict[Digest, str]


@runtime_checkable
class Encodes(Protocol):
    """What turns pictures into rows: an encoder, or a bundle."""

    @property
    def batch_size(self) -> int:
        """Images encoded at once."""

    @property
    def workers(self) -> int:
        """Threads that decode."""

    def prepare(self, image: Image.Image) -> Any:
        """Return its input for a picture."""

    def encode_images(self, images: Iterable[Any]) -> Any:
        """Return unit rows of such inputs, as numpy can read them."""


def no_hash(image: Image.Image) -> str:
    """Return no perceptual hash: images are then compared by their features."""
    return ""


def encode_photos(
    encoder: Encodes, photos: Sequence[Photo], hash_of: Callable[[Image.Image], str] = perceptual_hash
) -> Iterator[Encoded]:
    """Yield photographs block by block, in their order. Nothing that a file holds ends it.

    Threads decode ahead of the encoder; photographs are scaled to its input where they are decoded, so that only as many are held
    as there are threads.
    """
    workers = max(2, encoder.workers)
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        stream = _prepared(pool, photos, encoder, hash_of, ahead=encoder.batch_size + 4 * workers)
        for _ in range(0, len(photos), _BLOCK):
            yield _block(encoder, islice(stream, _BLOCK))


def _block(encoder: Encodes, stream: Iterable[tuple[Photo, tuple[Any, str] | str]]) -> Encoded:
    digests: list[Digest] = []
    hashes: list[str] = []
    reasons: dict[Digest, str] = {}

    def readable() -> Iterator[Any]:
        # The encoder pulls its inputs as it needs them; photographs that cannot be used are noted in passing.
        for photo, prepared in stream:
            if isinstance(prepared, str):
                reasons[photo.digest] = prepared
            else:
                digests.append(photo.digest)
                hashes.append(prepared[1])
                yield prepared[0]

    rows = np.asarray(encoder.encode_images(readable()))
    return Encoded(tuple(digests), rows, tuple(hashes), reasons)


def _prepared(
    pool: ThreadPoolExecutor,
    photos: Iterable[Photo],
    encoder: Encodes,
    hash_of: Callable[[Image.Image], str],
    ahead: int,
) -> Iterator[tuple[Photo, tuple[Any, str] | str]]:
    waiting: deque[tuple[Photo, Future[tuple[Any, str] | str]]] = deque()
    for photo in photos:
        waiting.append((photo, pool.submit(_prepare, photo, encoder, hash_of)))
        if len(waiting) > ahead:
            first, future = waiting.popleft()
            yield first, future.result()
    for first, future in waiting:
        yield first, future.result()


def _prepare(photo: Photo, encoder: Encodes, hash_of: Callable[[Image.Image], str]) -> tuple[Any, str] | str:
    """Return the encoder's input and the perceptual hash, or the reason why there is none."""
    image = _decoded(photo)
    return image if isinstance(image, str) else (encoder.prepare(image), hash_of(image))


def _decoded(photo: Photo) -> Image.Image | str:
    """Return the picture, or the reason why it cannot be used."""
    try:
        if photo.path.stat().st_size > LOCAL.max_bytes:
            return "too-large"
        data = photo.path.read_bytes()
        if hashlib.sha256(data).hexdigest() != photo.digest:
            return CHANGED
        return open_image(data, LOCAL)
    except BadImage as bad:
        return bad.reason
    except FileNotFoundError:
        return GONE
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"


def hash_photos(photos: Sequence[Photo], features: Float32[np.ndarray, "query dim"], workers: int) -> Encoded:
    """Return photographs whose features are there already, with the perceptual hashes that were never taken of them."""

    def hashed(photo: Photo) -> tuple[str, str]:
        image = _decoded(photo)
        return ("", image) if isinstance(image, str) else (perceptual_hash(image), "")

    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        facts = list(pool.map(hashed, photos))
    usable = [at for at, (_, reason) in enumerate(facts) if not reason]
    reasons = {photo.digest: reason for photo, (_, reason) in zip(photos, facts, strict=True) if reason}
    hashes = tuple(facts[at][0] for at in usable)
    return Encoded(tuple(photos[at].digest for at in usable), features[usable], hashes, reasons)
