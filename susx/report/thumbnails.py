"""Images as small data URIs: what keeps a report with thousands of pictures below 15 MB and offline."""

from __future__ import annotations

import base64
import io
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from PIL import Image, UnidentifiedImageError

from susx.image_files import FORMATS, BadImage, upright_rgb

__all__ = ["ImageSource", "Thumbnail", "Tile", "budget_side", "thumbnail"]

_LOG = logging.getLogger(__name__)

_QUALITY = 82
_SIDES = ((1000, 96), (2400, 72), (6000, 56))
"""Largest number of pictures -> longest side in pixels; a JPEG of 96 px takes some 3 kB, of 56 px some 1.5 kB."""


ImageSource: TypeAlias = bytes | Path | None
"""An encoded image (JPEG, PNG, WebP), the file it is in, or None when there never was one."""


@dataclass(frozen=True)
class Thumbnail:
    """A data URI with the pixel size it is shown at."""

    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class Tile:
    """One picture with its words: ``facts`` are the provenance shown on hover and focus."""

    picture: Thumbnail | None
    alt: str
    facts: tuple[tuple[str, str], ...]


def budget_side(pictures: int) -> int:
    """Return the longest side at which ``pictures`` thumbnails together stay near 6 MB."""
    for limit, side in _SIDES:
        if pictures <= limit:
            return side
    return 48


def thumbnail(source: ImageSource, side: int) -> Thumbnail | None:
    """Shrink an image to at most ``side`` pixels; smaller ones keep their size.

    Returns None (and logs why) for a missing or undecodable image: a broken support image is a normal row of a report.
    """
    if source is None:
        return None
    try:
        file = io.BytesIO(source) if isinstance(source, bytes) else source
        with Image.open(file, formats=FORMATS) as opened:
            opened.draft("RGB", (side, side))
            image = upright_rgb(opened)
        image.thumbnail((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    except (
        BadImage,
        OSError,
        UnidentifiedImageError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
    ) as error:
        name = f"{len(source)} bytes" if isinstance(source, bytes) else str(source)
        _LOG.warning("no thumbnail of %s: %s", name, error)
        return None
    uri = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
    return Thumbnail(uri, image.width, image.height)
