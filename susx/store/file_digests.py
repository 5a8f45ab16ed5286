"""Digests of files that are not ours (weights, indices, lists), without reading them again at every start.

The rule, as for artefacts: a digest is reused while size, mtime, ctime and inode are those of the last time in this boot of
the machine, and that was more than ``SETTLE_NS`` after the file was last written. Digests of large files are kept for other
processes below the user's cache folder. A disk that changes bytes behind all of these is not noticed.
"""

from __future__ import annotations

import contextlib
import json
import threading
from pathlib import Path

import platformdirs

from susx.store.disk import boot, facts_of, read_json, settled, write_atomically
from susx.store.fingerprint import digest_file
from susx.types import Digest

__all__ = ["LARGE", "FileDigests"]

LARGE = 1 << 24
"""Bytes from which a digest is kept on the disk: below, reading the file is as fast as finding what is known of it."""

_KEPT = 4096
"""Digests kept; the oldest go first."""


class FileDigests:
    """Digests of files by path, remembered by the rule of this module."""

    def __init__(self, memory: Path | None = None) -> None:
        """Name the file of remembered digests; by default one below the user's cache folder."""
        self._memory = memory
        self._known: dict[str, Digest] = {}
        self._read = False
        self._lock = threading.Lock()

    @property
    def memory(self) -> Path:
        """File in which the digests of large files outlive the process."""
        return self._memory or platformdirs.user_cache_path("susx") / "digests.json"

    def __call__(self, path: Path) -> Digest:
        """Return the sha256 of a file, from memory where the rule allows it."""
        facts = facts_of(path)
        key = json.dumps([str(path.resolve()), boot(), *facts])
        large = facts[0] >= LARGE
        with self._lock:
            if large and not self._read:
                self._known |= self._remembered()
                self._read = True
            remembered = self._known.get(key)
        if remembered is None:
            trusted = settled(facts)
            remembered = digest_file(path)
            if trusted and facts_of(path) == facts:
                self._remember(key, remembered, large)
        return remembered

    def _remembered(self) -> dict[str, Digest]:
        stored = read_json(self.memory)
        entries = stored.items() if isinstance(stored, dict) else ()
        return {key: value for key, value in entries if isinstance(value, str)}

    def _remember(self, key: str, digest: Digest, large: bool) -> None:
        with self._lock:
            self._known[key] = digest
            if large:
                # Another process may have written since; what is lost in a race is hashed once more.
                kept = list((self._remembered() | {key: digest}).items())[-_KEPT:]
                with contextlib.suppress(OSError):
                    write_atomically(self.memory, json.dumps(dict(kept), indent=0).encode())
