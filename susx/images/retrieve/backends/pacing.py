"""Being polite to a service, and giving up on one that is down: a rate limit and a circuit breaker per service.

Both are shared by all threads of a process that talk to the same service.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["Breaker", "RateLimit"]


class RateLimit:
    """Spaces calls evenly: at most ``rate`` a second, over all threads."""

    def __init__(self, rate: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.interval = 1 / rate
        self._clock = clock
        self._next = 0.0
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Take the next slot and return the seconds until it."""
        with self._lock:
            now = self._clock()
            slot = max(now, self._next)
            self._next = slot + self.interval
            return slot - now

    def wait(self) -> None:
        """Sleep until it is this caller's turn."""
        time.sleep(self.reserve())


class Breaker:
    """Open after a failure that outlived its retries; while open, calls fail at once with the same diagnosis.

    After ``cool_down`` seconds one call may try again; its success closes the breaker.
    """

    def __init__(self, cool_down: float = 60.0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.cool_down = cool_down
        self._clock = clock
        self._lock = threading.Lock()
        self._diagnosis = ""
        self._until = 0.0

    def diagnosis(self) -> str:
        """Return "" when calls may go out, else why they may not."""
        with self._lock:
            if not self._diagnosis or self._clock() < self._until:
                return self._diagnosis
            self._until = self._clock() + self.cool_down  # this caller tries, the others wait for its outcome
            return ""

    def failed(self, diagnosis: str) -> None:
        """Open it."""
        with self._lock:
            self._diagnosis, self._until = diagnosis, self._clock() + self.cool_down

    def succeeded(self) -> None:
        """Close it."""
        with self._lock:
            self._diagnosis = ""
