"""Who uses a store now, and since when: what ``susx store gc`` must leave alone.

A process that reads or builds holds ``locks/use-<id>`` by flock for as long as it has the store open; the kernel lets
go of it when the process dies, however that happens. gc removes nothing that was read since the oldest of them began,
and reading refreshes an artefact's age. Reading and removing exclude each other (``locks/gc``), so that an artefact
is not removed between being checked and being refreshed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import uuid
import weakref
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Use", "collecting", "oldest_use", "reading"]


class Use:
    """Says that this process uses the store below ``root``, until it is closed, collected or dead."""

    def __init__(self, root: Path) -> None:
        folder = root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            path = folder / f"use-{uuid.uuid4().hex}"
            number = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
            fcntl.flock(number, fcntl.LOCK_EX)
            if os.fstat(number).st_nlink:  # else gc took it for that of a dead process before it was locked
                break
            os.close(number)
        self.close = weakref.finalize(self, _end, path, number, os.getpid())


def _end(path: Path, number: int, process: int) -> None:
    if os.getpid() == process:  # a forked child holds the same lock and must not end it
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        os.close(number)


def oldest_use(root: Path) -> float | None:
    """Return when the oldest process that still uses the store began, in seconds; forget dead ones."""
    begun = []
    for path in (root / "locks").glob("use-*"):
        with contextlib.suppress(OSError), open(path, "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
            except BlockingIOError:
                begun.append(os.fstat(file.fileno()).st_mtime)
    return min(begun, default=None)


@contextlib.contextmanager
def reading(root: Path) -> Iterator[None]:
    """Keep gc from removing anything meanwhile; many may read. A store that is read-only has no gc."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(_flock(root, fcntl.LOCK_SH))
        yield


@contextlib.contextmanager
def collecting(root: Path) -> Iterator[None]:
    """Wait until nobody reads, and keep everybody from it."""
    with _flock(root, fcntl.LOCK_EX):
        yield


@contextlib.contextmanager
def _flock(root: Path, kind: int) -> Iterator[None]:
    with open(root / "locks" / "gc", "ab") as file:
        fcntl.flock(file, kind)
        yield
