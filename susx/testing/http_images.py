"""A web server on loopback that serves real images and every way in which the web fails.

``with ImageServer(photos) as server: server.url("ok/0.jpg")``. It counts requests, so that a test can tell what was
fetched twice.
"""

from __future__ import annotations

import io
import struct
import time
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from susx.testing.http_server import LoopbackServer, QuietHandler

__all__ = ["ImageServer", "bomb_png", "encoded", "random_picture"]


def random_picture(seed: int, width: int = 96, height: int = 72) -> Image.Image:
    """Return a smooth random picture, different for every seed."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """Return a picture as the bytes of a file."""
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()


def bomb_png(side: int = 30000) -> bytes:
    """Return a small PNG that decodes to ``side`` squared pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = b"\0" * (1 + (side + 7) // 8)
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(row * 100) for _ in range(side // 100)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


class ImageServer(LoopbackServer):
    """Serves on 127.0.0.1 at a free port.

    Paths: ``ok/N.jpg`` (the Nth of ``photos``, or a random picture), ``slow/S/N.jpg`` (after S seconds), ``gone/S/N`` (404 after S
    seconds), ``hang``
    (never), ``drip`` (a byte every 0.2 s), ``404 403 410 500 503`` (that status), ``429-then-ok/K/N.jpg`` (K times
    429), ``html`` (a page called image/jpeg), ``empty``, ``truncated``, ``cut`` (fewer bytes than declared),
    ``huge`` (declares 1 GB), ``bomb``, ``cmyk``, ``png16``, ``gif``, ``exif``, ``loop`` (redirects to itself),
    ``to?URL`` (redirects there), ``opt-out`` (X-Robots-Tag: noai).

    Attributes:
        requests: path -> number of requests.
        completed: path -> number of complete answers with an image.
    """

    def __init__(self, photos: Sequence[bytes] = ()) -> None:
        self.photos = list(photos)
        self.requests: Counter[str] = Counter()
        self.completed: Counter[str] = Counter()
        super().__init__(_Handler)

    def url(self, path: str) -> str:
        """Return the address of a path."""
        return f"http://{self.host}/{path}"

    def photo(self, number: int) -> bytes:
        """Return the bytes served as ``ok/number.jpg``."""
        return self.photos[number % len(self.photos)] if self.photos else encoded(random_picture(number))


class _Handler(QuietHandler):
    state: ImageServer

    def do_GET(self) -> None:
        state, path = self.state, self.path.lstrip("/")
        with state.lock:
            state.requests[path] += 1
            seen = state.requests[path]
        kind, _, rest = path.partition("/")
        try:
            if path.startswith("to?"):
                self._answer(302, b"", headers={"Location": path[3:]})
            elif kind == "loop":
                self._answer(302, b"", headers={"Location": "/loop"})
            elif kind.isdigit():
                self._answer(int(kind), b"no")
            else:
                self._serve(kind, rest, seen)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def _serve(self, kind: str, rest: str, seen: int) -> None:
        state = self.state
        number = int(rest.rpartition("/")[2].partition(".")[0] or 0) if rest else 0
        photo = state.photo(number)
        if kind in ("slow", "gone"):
            state.closing.wait(float(rest.partition("/")[0]))
        if kind == "429-then-ok" and seen <= int(rest.partition("/")[0]):
            self._answer(429, b"slow down", headers={"Retry-After": "1"})
        elif kind == "gone":
            self._answer(404, b"no")
        elif kind == "hang":
            state.closing.wait(60)
        elif kind == "drip":
            self._answer(200, photo, pause=0.2)
        elif kind == "html":
            self._answer(200, b"<!DOCTYPE html><html><body>Please log in</body></html>")
        elif kind == "cut":
            self._answer(200, photo[: len(photo) // 2], length=len(photo))
        elif kind == "huge":
            self._answer(200, photo[:10], length=10**9)
        elif kind == "opt-out":
            self._answer(200, photo, headers={"X-Robots-Tag": "noai"})
        else:
            self._answer(200, _special(kind, photo))
            with state.lock:
                state.completed[self.path.lstrip("/")] += 1

    def _answer(
        self,
        status: int,
        body: bytes,
        *,
        length: int | None = None,
        pause: float = 0,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if not pause:
            self.wfile.write(body)
            return
        for byte in body:
            if self.state.closing.is_set():
                return
            self.wfile.write(bytes([byte]))
            time.sleep(pause)


def _special(kind: str, photo: bytes) -> bytes:
    picture = random_picture(7)
    if kind == "empty":
        return b""
    if kind == "truncated":
        return photo[: len(photo) // 2]
    if kind == "bomb":
        return bomb_png()
    if kind == "cmyk":
        return encoded(picture.convert("CMYK"))
    if kind == "png16":
        ramp = np.linspace(0, 65535, 96 * 72).astype(np.uint16).reshape(72, 96)
        return encoded(Image.fromarray(ramp), "PNG")
    if kind == "gif":
        return encoded(picture, "GIF", save_all=True, append_images=[random_picture(8), random_picture(9)])
    if kind == "exif":
        tags = Image.Exif()
        tags[0x0112] = 6
        return encoded(picture, exif=tags)
    return photo
