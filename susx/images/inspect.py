"""What curation needs to know of an image file: size, content digest, perceptual hash."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from susx.image_files import BadImage, ImageLimits, open_image

__all__ = ["ImageFacts", "inspect_file", "inspect_files", "perceptual_hash"]


@dataclass(frozen=True)
class ImageFacts:
    """Facts of one file.

    Attributes:
        digest: sha256 of the file.
        width, height: of the upright picture; 0 when undecodable.
        phash: 64-bit perceptual hash (16 hexadecimal digits); "" when undecodable.
        problem: "" or why it cannot be decoded (a ``BadImage.reason``).
        detail: one sentence on the problem.
    """

    digest: str
    width: int = 0
    height: int = 0
    phash: str = ""
    problem: str = ""
    detail: str = ""


def perceptual_hash(image: Image.Image) -> str:
    """Return the 64-bit DCT hash of a picture (Zauner 2010, as in ``imagehash.phash``) in hexadecimal."""
    import imagehash

    return str(imagehash.phash(image))


def inspect_file(path: Path, limits: ImageLimits | None = None) -> ImageFacts:
    """Decode one file and measure it; a bad file is a fact, not an error.

    Raises:
        OSError: the file cannot be read at all.
    """
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    try:
        image = open_image(path, limits)
    except BadImage as bad:
        return ImageFacts(digest, problem=bad.reason, detail=str(bad))
    return ImageFacts(digest, image.width, image.height, perceptual_hash(image))


def inspect_files(
    paths: Iterable[Path], limits: ImageLimits | None = None, *, workers: int | None = None
) -> Iterator[ImageFacts]:
    """Inspect files in their order on a few threads (decoding releases the interpreter lock)."""
    paths = list(paths)
    with ThreadPoolExecutor(workers or min(8, os.cpu_count() or 1)) as pool:
        yield from pool.map(lambda path: inspect_file(path, limits), paths)
