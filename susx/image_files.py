"""Decoding images that nobody vouches for: every file becomes an upright RGB picture or a named reason.

Handled: decompression bombs, HTML served as an image, truncated files, CMYK, 16-bit PNG, palettes and
transparency (laid on white), animations (their first frame), EXIF rotation.
"""

from __future__ import annotations

import io
import os
import re
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from susx.errors import InputError
from susx.modes import plain_mode

__all__ = [
    "FORMATS",
    "IMAGE_SUFFIXES",
    "LOCAL",
    "UNDECODED_SUFFIXES",
    "BadImage",
    "ImageLimits",
    "open_image",
    "picture_facts",
    "save_upright",
    "upright_rgb",
]

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
"""What is decoded. Formats whose decoders run other programs or fetch files (EPS, PDF, WMF) are not."""

IMAGE_SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm",
    ".pfm", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".avif", ".avifs",
})  # fmt: skip
"""Files of a folder that are looked at as images, in small letters: all endings of ``FORMATS`` in Pillow's registry, and ``.mpo``, which
is a JPEG with more behind it."""

UNDECODED_SUFFIXES = frozenset({
    ".heic", ".heif", ".hif", ".jxl", ".jxr", ".svg", ".svgz", ".psd", ".eps", ".ico", ".tga", ".dds", ".exr", ".hdr", ".qoi", ".dib",
    ".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".raf", ".rw2", ".raw", ".xcf", ".wmf", ".emf", ".pcx", ".bpg", ".flif",
})  # fmt: skip
"""Endings of images that nothing here decodes: they are counted where a folder is read, so that nobody misses them unawares."""

_MARKUP = re.compile(rb"^\s*(<\?xml|<!doctype|<!--|<html|<head|<body|<svg|<script)", re.IGNORECASE)
_SVG = re.compile(
    rb"\s*(<\?xml.*?\?>\s*|<!--.*?-->\s*|<!doctype svg[^>]*>\s*)*<svg[\s>]", re.IGNORECASE | re.DOTALL
)

_SIGNATURES = {
    form: re.compile(pattern, re.DOTALL)
    for form, pattern in {
        "HEIC": rb"....ftyp(hei[cxms]|hev[cxms]|mif1|msf1)", "JPEG XL": rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n", "JPEG XR": rb"II\xbc",
        "PSD": rb"8BPS", "EPS": rb"%!PS|\xc5\xd0\xd3\xc6", "ICO": rb"\0\0[\x01\x02]\0", "OpenEXR": rb"v/1\x01", "Radiance HDR": rb"#\?R",
        "QOI": rb"qoif", "DDS": rb"DDS ", "BPG": rb"BPG\xfb", "FLIF": rb"FLIF", "CR3": rb"....ftypcrx", "RAF": rb"FUJIFILMCCD-RAW",
        "RW2": rb"IIU\0", "ORF": rb"IIR[OS]", "XCF": rb"gimp xcf", "WMF": rb"\xd7\xcd\xc6\x9a", "KTX": rb"\xabKTX", "FITS": rb"SIMPLE  =",
        "DjVu": rb"AT&TFORM",
    }.items()
}  # fmt: skip
"""How files of other image formats begin (their specifications)."""

_OURS = {
    form: re.compile(pattern, re.DOTALL)
    for form, pattern in {
        "JPEG": rb"\xff\xd8\xff", "PNG": rb"\x89PNG", "GIF": rb"GIF8", "WebP": rb"RIFF....WEBP", "TIFF": rb"II[*+]\0|MM\0[*+]",
        "AVIF": rb"....ftypavi[fs]", "JPEG 2000": rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51",
    }.items()
}  # fmt: skip

_NO_IMAGES = {
    form: re.compile(pattern, re.DOTALL)
    for form, pattern in {
        "a PDF": rb"%PDF", "a video": rb"....ftyp|\x1aE\xdf\xa3|RIFF....AVI ", "a ZIP archive": rb"PK\x03\x04", "a gzip archive": rb"\x1f\x8b",
        "a pointer of Git LFS ('git lfs pull' brings the file)": rb"version https://git-lfs", "a JSON text": rb"\s*[\[{]", "filled with zeros": rb"\0{32}",
    }.items()
}  # fmt: skip

_SIXTEEN_BIT = {"I;16", "I;16B", "I;16L", "I;16N"}


class BadImage(InputError):
    """An image that cannot be used.

    Attributes:
        reason: ``too-large``, ``not-an-image``, ``format-heic`` (and other images that are not decoded), ``truncated``,
            ``too-many-pixels``, ``too-narrow``, ``unsupported`` or ``empty``.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True)
class ImageLimits:
    """What is too large to decode.

    Attributes:
        max_bytes: of the encoded file.
        max_pixels: width times height; 50 million pixels are 200 MB decoded.
        max_aspect: longer side over shorter. Encoders scale the shorter side, up as well: a line of 1 x 65,000 pixels would
            become 3 billion of them.
    """

    max_bytes: int = 20_000_000
    max_pixels: int = 50_000_000
    max_aspect: float = 100.0


LOCAL = ImageLimits(max_bytes=500_000_000, max_pixels=100_000_000)
"""For files of one's own, which nobody sent."""


def open_image(source: Path | bytes, limits: ImageLimits | None = None) -> Image.Image:
    """Decode a file or its bytes to an upright RGB picture. Support images, targets and queries all come through here.

    Raises:
        BadImage: it cannot be used; ``reason`` and message say why. Nothing else is raised for bad content.
        OSError: a file that cannot be read at all.
    """
    with _opened(source, limits or ImageLimits()) as image:
        return upright_rgb(image)


def picture_facts(source: Path | bytes, limits: ImageLimits | None = None) -> tuple[int, int, str, str]:
    """Return width, height, format and mode as the header says, without decoding.

    Raises:
        BadImage, OSError: as :func:`open_image`.
    """
    with _opened(source, limits or ImageLimits()) as image:
        return image.width, image.height, image.format or "", image.mode


def upright_rgb(image: Image.Image) -> Image.Image:
    """Return a decoded picture as :func:`open_image` would: EXIF rotation applied, laid on white, 8 bits a channel.

    Raises:
        BadImage: floating-point or 32-bit values of unknown range.
    """
    scaled = image.mode == "I" and image.format in {"PPM", "PNG"}  # Pillow brings both to 16 bits
    image.load()  # first: a TIFF is turned while it is loaded, and has no orientation any more
    # exif_transpose would copy a picture that is upright too.
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode in _SIXTEEN_BIT or scaled:
        # Pillow's own conversion clips every value above 255 to white.
        values = np.asarray(image).clip(0, 65535) >> 8
        return Image.fromarray(values.astype(np.uint8)).convert("RGB")
    if image.mode in {"F", "I"}:
        kind = "floating-point values" if image.mode == "F" else "32-bit or signed values"
        raise BadImage(
            "unsupported", f"the image holds {kind} of unknown range. Save it with 8 or 16 bits a channel."
        )
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def save_upright(image: Image.Image, path: Path, *, shortest: int | None = None, quality: int = 95) -> None:
    """Write a picture as JPEG, its shorter side scaled down to ``shortest`` pixels, complete or not at all."""
    if shortest and min(image.size) > shortest:
        scale = shortest / min(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            image.save(file, format="JPEG", quality=quality)
        plain_mode(Path(partial))
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


@contextmanager
def _opened(source: Path | bytes, limits: ImageLimits) -> Iterator[Image.Image]:
    """Open a file of a known format and bounded size; whatever a decoder raises in the block becomes a BadImage."""
    name = str(source) if isinstance(source, Path) else "the image"
    data = _read(source, limits, name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                if image.width * image.height > limits.max_pixels:
                    raise BadImage(
                        "too-many-pixels",
                        f"{name} decodes to {image.width}x{image.height} pixels; at most {limits.max_pixels} are decoded.",
                    )
                if max(image.size) > limits.max_aspect * min(image.size):
                    raise BadImage(
                        "too-narrow",
                        f"{name} has {image.width}x{image.height} pixels; a side of at most {limits.max_aspect:g} times the "
                        "other is decoded.",
                    )
                yield image
    except BadImage:
        raise
    except Image.DecompressionBombError as error:
        raise BadImage("too-many-pixels", f"{name} is a decompression bomb: {error}") from error
    except UnidentifiedImageError as error:
        raise _unidentified(data, name) from error
    except (OSError, EOFError, SyntaxError) as error:
        raise BadImage("truncated", f"{name} is cut off or damaged: {error}.") from error
    except (
        Exception
    ) as error:  # decoders raise what they like on hostile input (struct.error, ZeroDivisionError ...)
        raise BadImage(
            "unsupported", f"{name} cannot be decoded ({type(error).__name__}: {error})."
        ) from error


def _unidentified(data: bytes, name: str) -> BadImage:
    """Say what a file is that no decoder takes: an image of another format, one of ours that is damaged, or none."""
    start = data[:64]
    if form_name := next((form for form, pattern in _SIGNATURES.items() if pattern.match(start)), None):
        return BadImage(
            f"format-{form_name.lower().replace(' ', '-')}",
            f"{name} is {form_name}, which is not decoded here. Save it as JPEG, PNG, WebP or AVIF.",
        )
    if ours := next((form for form, pattern in _OURS.items() if pattern.match(start)), None):
        return BadImage("truncated", f"{name} begins as {ours} and is cut off or damaged.")
    if _SVG.match(data[:4096]):
        return BadImage("format-svg", f"{name} is SVG, which is not decoded here. Save it as PNG.")
    if _MARKUP.match(data[:512]):
        return BadImage("not-an-image", f"{name} is a web page or markup, not an image.")
    if other := next((form for form, pattern in _NO_IMAGES.items() if pattern.match(start)), None):
        return BadImage("not-an-image", f"{name} is {other}, not an image.")
    return BadImage("not-an-image", f"{name} is none of {', '.join(FORMATS)}.")


def _read(source: Path | bytes, limits: ImageLimits, name: str) -> bytes:
    size = source.stat().st_size if isinstance(source, Path) else len(source)
    if size == 0:
        raise BadImage("empty", f"{name} is empty.")
    if size > limits.max_bytes:
        raise BadImage("too-large", f"{name} has {size} bytes; at most {limits.max_bytes} are read.")
    return source.read_bytes() if isinstance(source, Path) else source
