"""What the service spends on those who ask it: sizes, times, connections, and budgets that all requests share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from susx.image_files import ImageLimits

__all__ = ["Budget", "Busy", "Limits"]


class Busy(Exception):
    """More is asked for than the service takes at once; worth asking again."""


@dataclass(frozen=True)
class Limits:
    """What requests may cost, alone and together.

    Together they bound the memory: beside the encoder and the processes that decode (some 60 MB each), ``max_bytes_in_flight`` + 16 x
    ``max_pixels_in_flight`` (shared by what is being decoded, each picture by what its format and mode take:
    :func:`susx.decoding.bytes_held`) + ``max_waiting`` x one encoder input, 2 GB with the defaults at 224 pixels.

    Attributes:
        max_bytes: of one image.
        max_pixels: of one decoded image.
        timeout: seconds for the body to arrive, and again for decoding and for the answer.
        max_batch: images classified at once.
        max_waiting: images that wait to be classified, already scaled to the encoder's input; more are answered with 503.
        max_images: of one request to ``/predict/batch``.
        max_bytes_in_flight: of all bodies being received or decoded; more are answered with 503.
        max_pixels_in_flight: of all images being decoded, at 16 bytes a pixel; others wait for their turn, at most ``timeout``. A picture
            that would take more than all of these bytes is refused.
        decode_seconds: that one picture may take to decode; never more than ``timeout``.
        max_connections: open at a time. Beyond it the one that has been idle longest is closed for the new one, and where
            none is idle the new one gets 503.
        header_timeout: seconds for the header of a request, from the connection or its first byte after an answer on.
        keep_alive: seconds that a connection may rest after an answer; longer than clients keep one, so that none is closed just as its
            client uses it again.
    """

    max_bytes: int = 20_000_000
    max_pixels: int = 50_000_000
    timeout: float = 30.0
    max_batch: int = 32
    max_waiting: int = 256
    max_images: int = 64
    max_bytes_in_flight: int = 256_000_000
    max_pixels_in_flight: int = 100_000_000
    max_connections: int = 512
    decode_seconds: float = 15.0
    header_timeout: float = 10.0
    keep_alive: float = 75.0

    @property
    def image(self) -> ImageLimits:
        """Of one image; what could never be within the budgets is refused for good."""
        return ImageLimits(
            min(self.max_bytes, self.max_bytes_in_flight), min(self.max_pixels, self.max_pixels_in_flight)
        )

    @property
    def decoded_bytes(self) -> int:
        """Of all images being decoded."""
        return 16 * self.max_pixels_in_flight

    @property
    def decode_timeout(self) -> float:
        """Seconds that one picture may take to decode."""
        return min(self.decode_seconds, self.timeout)

    @property
    def batch_bytes(self) -> int:
        """Of the body of one request with several images."""
        return min(self.max_images * self.max_bytes, self.max_bytes_in_flight // 2)


class Budget:
    """An amount that many threads share."""

    def __init__(self, amount: int) -> None:
        self._free = amount
        self._changed = threading.Condition()

    def take(self, amount: int) -> None:
        """Take a part at once.

        Raises:
            Busy: less is free.
        """
        with self._changed:
            if amount > self._free:
                raise Busy
            self._free -= amount

    def give_back(self, amount: int) -> None:
        """Return a part that was taken."""
        with self._changed:
            self._free += amount
            self._changed.notify_all()

    @contextmanager
    def held(self, amount: int) -> Iterator[None]:
        """Wait until so much is free, and hold it within the block."""
        with self._changed:
            self._changed.wait_for(lambda: amount <= self._free)
            self._free -= amount
        try:
            yield
        finally:
            self.give_back(amount)
