"""img2dataset's process, which may be started before there is anything to fetch: it imports what it needs while the search goes on."""

from __future__ import annotations

import importlib.util
import os
import threading
from types import TracebackType

from susx.config import DownloadConfig
from susx.images.fetch.network_guard import FetchGuard
from susx.images.fetch.worker_process import JobWorker

__all__ = ["PATIENCE", "Fetcher", "drop_fetcher", "prepare_fetcher", "take_fetcher"]

PATIENCE = 120.0
"""Seconds for which a process waits for its first job."""

_waiting: dict[tuple[int, FetchGuard], _Waiting] = {}
_lock = threading.Lock()


class Fetcher(JobWorker):
    """A process that fetches within a download's limits."""

    def __init__(self, guard: FetchGuard) -> None:
        super().__init__("susx.images.fetch.fetch_worker", guard.to_environment())
        self.ended = threading.Event()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self.ended.set()


def prepare_fetcher(config: DownloadConfig) -> None:
    """Start the process that the next download with these limits will want; a few times make one."""
    guard = _guard(config)
    if importlib.util.find_spec("img2dataset") is None:
        return
    with _lock:
        if (os.getpid(), guard) not in _waiting:
            waiting = _waiting[os.getpid(), guard] = _Waiting(guard)
            waiting.start()


def take_fetcher(config: DownloadConfig) -> Fetcher:
    """Return a process for a download: the one that was prepared, or a new one."""
    guard = _guard(config)
    with _lock:
        waiting = _waiting.pop((os.getpid(), guard), None)
    fetcher = waiting.take() if waiting else None
    return fetcher if fetcher is not None and fetcher.running else Fetcher(guard)


def drop_fetcher(config: DownloadConfig) -> None:
    """End the process that was prepared, if any: there is nothing to fetch."""
    with _lock:
        waiting = _waiting.pop((os.getpid(), _guard(config)), None)
    if waiting and (fetcher := waiting.take()) is not None:
        with fetcher:
            pass


class _Waiting(threading.Thread):
    """Starts a process and lives as long: Linux ends a process with the thread that started it, and those of a flow come and go."""

    def __init__(self, guard: FetchGuard) -> None:
        super().__init__(name="susx-fetcher", daemon=True)
        self.guard = guard
        self._fetcher: Fetcher | None = None
        self._started, self._taken = threading.Event(), threading.Event()

    def run(self) -> None:
        """Start it, and wait for its end; one that nobody takes is ended."""
        try:
            self._fetcher = Fetcher(self.guard)
        except OSError:
            return
        finally:
            self._started.set()
        if not self._taken.wait(PATIENCE):
            with _lock:
                unwanted = _waiting.get((os.getpid(), self.guard)) is self
                if unwanted:
                    del _waiting[os.getpid(), self.guard]
            if unwanted:
                with self._fetcher:
                    return
        self._fetcher.ended.wait()

    def take(self) -> Fetcher | None:
        """Return the process; None where it could not be started."""
        self._taken.set()
        self._started.wait()
        return self._fetcher


def _guard(config: DownloadConfig) -> FetchGuard:
    return FetchGuard(
        config.allow_private, config.allow_hosts, config.max_bytes, 3 * config.timeout, config.respect_opt_out
    )
