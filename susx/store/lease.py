"""The right to build one artefact among machines that share nothing but an object store.

A lease is one object. It is made by a conditional put (``If-None-Match: *``, fsspec's ``mode="create"``), so only
one of many asking gets it. The holder writes it anew every ``seconds / 3``; one that has not changed for ``seconds``
on the watcher's own clock belongs to a dead holder and is taken away. Two watchers that take it away at the same
moment may both build: artefacts are content-addressed and published manifest-last, so that costs time, not truth.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
import uuid
from typing import Any

__all__ = ["LEASE_SECONDS", "Lease"]

LEASE_SECONDS = 60.0
"""Seconds after which a lease that nobody renews is free."""


class Lease:
    """The lease at ``path``: :meth:`acquire` waits for it, :meth:`release` gives it back; also a context manager.

    Attributes:
        lost: whether it was taken away, because it could not be renewed in time (a machine that slept).
    """

    def __init__(self, fs: Any, path: str, seconds: float = LEASE_SECONDS, poll: float = 1.0) -> None:
        self.fs, self.path, self.seconds, self.poll = fs, path, seconds, poll
        self.lost = False
        self._owner = uuid.uuid4().hex
        self._count = 0
        self._released = threading.Event()

    def acquire(self) -> None:
        """Wait for the lease and renew it from then on."""
        seen, since = b"", time.monotonic()
        while not self._create():
            now = self._content()
            if now != seen:
                seen, since = now, time.monotonic()
            elif time.monotonic() - since > self.seconds:
                with contextlib.suppress(FileNotFoundError):
                    if self._content() == seen:
                        self.fs.rm_file(self.path)
                continue
            time.sleep(self.poll * random.uniform(0.5, 1.5))
        self._thread = threading.Thread(target=self._renew, name="susx-lease", daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Give the lease back, if it is still ours."""
        self._released.set()
        self._thread.join()
        with contextlib.suppress(FileNotFoundError):
            if self._ours():
                self.fs.rm_file(self.path)

    def __enter__(self) -> Lease:
        self.acquire()
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()

    def _ours(self) -> bool:
        return self._content().startswith(self._owner.encode())

    def _create(self) -> bool:
        try:
            self.fs.pipe_file(self.path, self._text(), mode="create")
        except FileExistsError:
            return False
        except OSError as error:
            # s3fs hands the refusal of a conditional put on as an OSError of its own.
            if (
                "PreconditionFailed" in str(error)
                or "pre-condition" in str(error).lower()
                or "412" in str(error)
            ):
                return False
            raise
        return True

    def _text(self) -> bytes:
        self._count += 1
        return f"{self._owner} {self._count}".encode()

    def _content(self) -> bytes:
        try:
            return bytes(self.fs.cat_file(self.path))
        except FileNotFoundError:
            return b""

    def _renew(self) -> None:
        while not self._released.wait(self.seconds / 3):
            # A renewal that fails is tried again at the next turn; a lease lost costs a second build at worst.
            with contextlib.suppress(Exception):
                if not self._ours():
                    self.lost = True
                    return  # it is another's now: writing would take it away from him
                self.fs.pipe_file(self.path, self._text())
