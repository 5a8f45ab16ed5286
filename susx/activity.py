"""What is being done now, for whoever waits: the work says it here, and the command line tells it.

A command that works for seconds without a word looks as if it hung. Where a bar is shown in a terminal it is enough; anywhere else, a pipe
and a log among them, a line comes after some seconds and then again and again, with what is being done and how far it is.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType

__all__ = ["EVERY_SECONDS", "FIRST_SECONDS", "Advance", "Telling", "at_rest", "doing", "sentence"]

Advance = Callable[[int], None]

FIRST_SECONDS = 5.0
"""A command that takes no longer says nothing on the way."""
EVERY_SECONDS = 10.0


@dataclass(eq=False)
class _Work:
    title: str
    total: int | None
    shown: bool
    done: int = 0

    def advance(self, done: int) -> None:
        self.done += done

    def sentence(self) -> str:
        of = "" if self.total is None else f" of {self.total:,}"
        return f"{self.title} ({self.done:,}{of})" if self.done or self.total else self.title


@dataclass
class _Now:
    """Of this process: what is being done, the outermost first."""

    works: list[_Work] = field(default_factory=list)
    resting: bool = False


_now = _Now()


def _forget() -> None:
    _now.works, _now.resting = [], False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


@contextlib.contextmanager
def doing(title: str, total: int | None = None, *, shown: bool = False) -> Iterator[Advance]:
    """Say what is being done within the block; call the given function with the number of things done.

    Args:
        title: what people read.
        total: how many things there are to do, where that is known.
        shown: whether people see a bar of it.
    """
    work = _Work(title, total, shown)
    _now.works.append(work)
    try:
        yield work.advance
    finally:
        with contextlib.suppress(ValueError):  # in a forked child it is forgotten
            _now.works.remove(work)


def at_rest() -> None:
    """Say that the command has done its work and waits for others from now on, as a service does."""
    _now.resting = True


def sentence() -> str:
    """Return what is being done, the outermost work first, "" where nothing is said.

    >>> with doing("Encode images", 3) as advance:
    ...     advance(2)
    ...     sentence()
    'Encode images (2 of 3)'
    """
    works = list(_now.works)
    told = [works[0], *works[-2:]] if len(works) > 3 else works
    return ", ".join(work.sentence() for work in told)


class Telling:
    """Tells now and then what is being done; a context manager around a command.

    Args:
        write: takes a line.
        name: of the command.
        bars: whether bars are seen, so that what has one needs no line.
    """

    def __init__(self, write: Callable[[str], None], name: str, *, bars: bool) -> None:
        self._write, self._name, self._bars = write, name, bars
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="activity", daemon=True)

    def __enter__(self) -> Telling:
        _now.resting = False
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _tell(self) -> None:
        began = time.monotonic()
        wait = FIRST_SECONDS
        while not self._over.wait(wait):
            wait = EVERY_SECONDS
            if not _now.resting and not (self._bars and any(work.shown for work in list(_now.works))):
                what = sentence() or "at work"
                self._write(f"{self._name}: {what}, {time.monotonic() - began:.0f} s")
