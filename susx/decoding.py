"""Pictures of strangers are decoded in processes of their own: none holds this one's interpreter, its memory or its time.

A decoder may hold the interpreter's lock for as long as it decodes, keep what it allocated, or never end. A process can be measured,
waited for and ended; what it held is free then. The pixels are those of :func:`susx.image_files.open_image`.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import queue
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from PIL import Image

from susx.children import without_main_module
from susx.image_files import BadImage, ImageLimits, open_image, picture_facts

__all__ = ["Decoders", "bytes_held", "give_memory_back"]

T = TypeVar("T")

_DECODED = {
    "JPEG": 14,
    "MPO": 14,
    "PNG": 14,
    "BMP": 14,
    "PPM": 14,
    "GIF": 20,
    "TIFF": 20,
    "AVIF": 16,
    "WEBP": 20,
    "JPEG2000": 24,
}
"""Format -> bytes a pixel of an opaque picture at the peak, in all processes: decoding it, or handing it over, as ``tests/test_decoding.py``
measures them (JPEG and PNG 10, WebP 17, AVIF 12, JPEG 2000 20; handed over it is 3 bytes here and there, and 4 as Pillow holds it)."""

_TRANSPARENT = 12
"""Bytes a pixel more of a picture with alpha or a palette: on its way to RGB it is held several times with four bytes."""

_LARGE = 1 << 22
"""Pixels from which a process gives memory back to the system after a picture."""


def bytes_held(width: int, height: int, kind: str, mode: str) -> int:
    """Return the bytes that decoding a picture takes at most, in all processes together.

    Args:
        width: pixels, as the header says.
        height: pixels.
        kind: Pillow's name of the format.
        mode: Pillow's mode; those with alpha or a palette cost more.
    """
    per_pixel = _DECODED.get(kind, max(_DECODED.values()))
    transparent = _TRANSPARENT if mode in {"RGBA", "LA", "PA", "La", "RGBa", "P"} else 0
    return width * height * (per_pixel + transparent)


def give_memory_back() -> None:
    """Return what the allocator keeps to the system, where the C library can."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    at_rest: bool = True
    """Whether it waits for a picture."""

    def end(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


class Decoders:
    """A few processes that decode; each is started when it is first wanted, and again after it was ended."""

    def __init__(self, processes: int, seconds: float) -> None:
        """Name them.

        Args:
            processes: decoding at once; more wait.
            seconds: that one picture may take.
        """
        self.seconds = seconds
        self._free: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        self._ended = False
        self._starting = threading.Lock()
        for _ in range(processes):
            self._free.put(None)

    def start(self) -> None:
        """Start one process now, so that the first picture does not wait for it."""
        self._free.put(self._free.get() or self._new())

    def decode(
        self,
        data: bytes,
        limits: ImageLimits,
        held: Callable[[int], AbstractContextManager[None]],
        use: Callable[[Image.Image], T],
    ) -> T:
        """Return what ``use`` makes of the upright RGB picture of encoded bytes; blocks, so ask from a thread.

        Args:
            data: the file.
            limits: what is too large.
            held: is asked for the bytes that the picture will take, and holds them while it is decoded and used.
            use: makes something smaller of it.

        Raises:
            BadImage: as ``open_image``; ``too-slow`` where it takes longer than ``seconds``, ``unsupported`` where the decoder died.
        """
        worker = self._free.get()
        try:
            worker = worker or self._new()
            return self._ask(worker, data, limits, held, use)
        except (EOFError, OSError, _Late) as error:
            if worker is not None:
                worker.end()
                worker = None
            if isinstance(error, _Late):
                raise BadImage(
                    "too-slow", f"the image takes longer than {self.seconds:g} seconds to decode."
                ) from error
            raise BadImage("unsupported", "the image cannot be decoded: its decoder died of it.") from error
        finally:
            # An answer of this picture must not be taken for one of the next.
            if worker is not None and (self._ended or not worker.at_rest):
                worker.end()
                worker = None
            self._free.put(worker)

    def stop(self) -> None:
        """End all processes; those at work end with their picture."""
        self._ended = True
        while True:
            try:
                worker = self._free.get_nowait()
            except queue.Empty:
                return
            if worker is not None:
                worker.end()

    def _new(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs,), daemon=True, name="susx-decoder")
        with self._starting, without_main_module():
            process.start()
        theirs.close()
        return _Worker(process, ours)

    def _ask(
        self, worker: _Worker, data: bytes, limits: ImageLimits, held: Callable[[int], AbstractContextManager[None]],
        use: Callable[[Image.Image], T],
    ) -> T:  # fmt: skip
        worker.at_rest = False
        worker.pipe.send((limits, data))
        width, height, kind, mode = self._answer(worker)
        with ExitStack() as stack:
            try:
                stack.enter_context(held(bytes_held(width, height, kind, mode)))
            except BaseException:
                worker.pipe.send(False)
                worker.at_rest = True
                raise
            worker.pipe.send(True)
            size = self._answer(worker)
            picture = Image.frombytes("RGB", size, worker.pipe.recv_bytes())
            worker.at_rest = True
            made = use(picture)
            del picture
        if width * height > _LARGE:
            give_memory_back()
        return made

    def _answer(self, worker: _Worker) -> Any:
        if not worker.pipe.poll(self.seconds):
            raise _Late
        answer, *what = worker.pipe.recv()
        if answer == "bad":
            worker.at_rest = True
            raise BadImage(*what)
        return what


class _Late(Exception):
    """A picture takes longer than it may."""


def _work(pipe: Connection) -> None:
    """Decode what comes until the other end closes."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # the terminal sends it to all; who asked for pictures says when it ends
    while True:
        try:
            limits, data = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            facts = picture_facts(data, limits)
            pipe.send(("facts", *facts))
            if not pipe.recv():
                continue
            image = open_image(data, limits)
            pixels = image.tobytes()
        except BadImage as bad:
            pipe.send(("bad", bad.reason, str(bad)))
            continue
        except EOFError:
            return
        except Exception as error:
            pipe.send(
                ("bad", "unsupported", f"the image cannot be decoded ({type(error).__name__}: {error}).")
            )
            continue
        pipe.send(("size", *image.size))
        del image
        pipe.send_bytes(pixels)
        large = len(pixels) > 3 * _LARGE
        del pixels, data
        if large:
            give_memory_back()
