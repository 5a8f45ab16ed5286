"""How many requests a source still takes: one file a source, locked, so that all processes and runs of a user keep its limits together."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Limit", "Quota"]


@dataclass(frozen=True)
class Limit:
    """At most so many requests in any so many seconds."""

    requests: int
    seconds: float


class Quota:
    """The requests of the longest window, by time."""

    def __init__(
        self, path: Path, limits: Sequence[Limit], *, clock: Callable[[], float] = time.time
    ) -> None:
        """Name the file; it need not be there. What cannot be read counts as no request."""
        self.path = path
        self.limits = tuple(limits)
        self._clock = clock
        self._threads = threading.Lock()

    def take(self) -> float:
        """Count a request that goes out now and return 0, or count none and return the seconds until one may."""
        with self._locked():
            times, hold = self._read()
            now = self._clock()
            wait = max(0.0, hold - now, *(self._wait(times, limit, now) for limit in self.limits))
            if wait == 0:
                self._write([*times, now], hold)
            return wait

    def hold(self, seconds: float) -> None:
        """Let nobody ask for so long: the source said so."""
        with self._locked():
            times, hold = self._read()
            self._write(times, max(hold, self._clock() + seconds))

    def left(self) -> list[tuple[Limit, int]]:
        """Return how many requests each limit has left now."""
        with self._locked():
            times, _ = self._read()
        now = self._clock()
        return [
            (limit, max(0, limit.requests - len([t for t in times if t > now - limit.seconds])))
            for limit in self.limits
        ]

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other threads out, then other processes: who waits for a file's lock only looks now and then whether it is free."""
        from filelock import FileLock

        with self._threads:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path.with_suffix(".lock"), poll_interval=0.01):
                yield

    def _wait(self, times: Sequence[float], limit: Limit, now: float) -> float:
        inside = [moment for moment in times if moment > now - limit.seconds]
        if len(inside) < limit.requests:
            return 0.0
        # When the oldest of the last ``requests`` leaves the window; a hair later, so that rounding never asks too soon.
        return inside[-limit.requests] + limit.seconds - now + 0.001

    def _read(self) -> tuple[list[float], float]:
        try:
            ledger = json.loads(self.path.read_text(encoding="utf-8"))
            times = sorted(float(moment) for moment in ledger["requests"])
            hold = float(ledger["hold"])
        except (OSError, ValueError, TypeError, KeyError):
            return [], 0.0
        now = self._clock()
        longest = max((limit.seconds for limit in self.limits), default=0.0)
        # A clock that was set back leaves requests of the future: they would bar the source for as long.
        return [moment for moment in times if now - longest < moment <= now], min(hold, now + 2 * 86400)

    def _write(self, times: Sequence[float], hold: float) -> None:
        text = json.dumps({"requests": list(times), "hold": hold})
        # Whole for every reader, but not flushed to the disk: after a power cut the last requests may be forgotten here, which the source
        # counts too, and a flush for each question would take as long as many a source's answer.
        partial = self.path.with_name(f".tmp-{uuid.uuid4().hex}")
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, self.path)
