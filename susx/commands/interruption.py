"""Ending early: Ctrl-C, SIGTERM and SIGHUP end a command in words, with 128 + the signal's number, within seconds.

The work itself runs in threads of Prefect that nobody can stop, so what has not ended by itself after a moment is
ended: finished work is in the store and a stage in flight resumes, as after any crash.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any

__all__ = ["GRACE", "Ending", "as_service"]

GRACE = 1.0
"""Seconds for locks, leases and the flow run's state to be given back."""

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


_RESUMED = "Finished work is kept; the same command goes on from there."
_current: Ending | None = None


class Ending:
    """Context in which those signals raise KeyboardInterrupt, and end the process if that does not end it in time.

    The interpreter writes a signal's number to a pipe whatever the main thread is doing and whoever handles the
    signal (Prefect does while a flow runs); a thread at the other end keeps the time.
    """

    def __init__(self) -> None:
        self._number = 0
        self._before: dict[int, Any] = {}
        self._over = threading.Event()
        self._speech = threading.Lock()
        self.grace = GRACE
        self.asked_at = float("inf")
        self.words = _RESUMED

    @property
    def asked(self) -> bool:
        """Whether a signal asked the command to end."""
        return self._number != 0

    @property
    def exit_code(self) -> int:
        """What shells report for the signal."""
        return 128 + (self._number or signal.SIGINT)

    def tell(self) -> None:
        """Say how the command ends, once."""
        if not self._speech.acquire(blocking=False):
            return
        number = self._number or signal.SIGINT
        how = "Interrupted" if number == signal.SIGINT else f"Ended by {signal.Signals(number).name}"
        with contextlib.suppress(OSError):  # the terminal of SIGHUP is gone
            print(
                f"susx: {how}. {self.words}",
                file=sys.stderr,
                flush=True,
            )

    def __enter__(self) -> Ending:
        global _current
        _current = self
        if threading.current_thread() is threading.main_thread():
            self._reading, self._writing = os.pipe()
            os.set_blocking(self._writing, False)
            # A signal that is ignored from the start (nohup) stays ignored.
            wanted = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._raise) for number in wanted}
            self._wakeup = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
            threading.Thread(target=self._keep_time, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._before:
            return
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._writing)
        if not self._number:
            self._over.set()

    def _raise(self, number: int, frame: FrameType | None) -> None:
        self._number = self._number or number
        raise KeyboardInterrupt

    def _keep_time(self) -> None:
        while data := os.read(self._reading, 64):
            asked = [number for number in data if number in self._before]
            if asked:
                self._number = asked[0]
                break  # the reading end stays open: a second signal is written too
        # Also when the command has returned: threads at work are waited for as the interpreter ends.
        if not self._number:
            return
        self.asked_at = time.monotonic()
        while time.monotonic() < self.asked_at + self.grace:
            if self._over.wait(0.05):
                return
        _end_descendants()
        self.tell()
        os._exit(self.exit_code)


@contextlib.contextmanager
def as_service(grace: float) -> Iterator[None]:
    """Give a service the time to answer what has reached it, when it is told to end; nothing of it is gone on with later."""
    if _current is None:
        yield
        return
    _current.grace, _current.words = grace, "What had reached the service was answered."
    try:
        yield
    finally:
        since = max(0.0, time.monotonic() - _current.asked_at)
        _current.grace = since + GRACE


def _end_descendants() -> None:
    """End what libraries started for us; our own children watch us."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()
