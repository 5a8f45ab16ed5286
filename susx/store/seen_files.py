"""Digests of a folder's many files, without reading them again: a photograph's is as good as its size, times and inode are.

The rule of ``file_digests``, for folders: a digest is reused while size, mtime, ctime and inode are those of the last time
in this boot of the machine, and that was more than ``SETTLE_NS`` after the file was last written. One file of the store
remembers one folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from pathlib import Path
from typing import Any

from susx.store.artefacts import ArtefactStore
from susx.store.disk import boot, facts_of, read_json, settled, write_atomically
from susx.store.fingerprint import digest_bytes, digest_file
from susx.types import Digest

__all__ = ["SeenFiles"]


class SeenFiles:
    """Digests of the files below one folder; threads may ask at once."""

    def __init__(self, store: ArtefactStore, folder: Path) -> None:
        """Read what is remembered of a folder."""
        name = digest_bytes(os.fsencode(folder.absolute()))[:24]
        self._memory = store.root / "features" / "files" / f"{name}.json"
        seen = read_json(self._memory)
        remembered = isinstance(seen, dict) and seen.get("boot") == boot()
        self._before: dict[str, Any] = (
            seen["files"] if remembered and isinstance(seen.get("files"), dict) else {}
        )
        self._now: dict[str, Any] = {}
        self._lock = threading.Lock()

    def known(self, path: Path) -> Digest | None:
        """Return the digest of a file that was not changed since it was read; None where it has to be read.

        Raises:
            OSError: it cannot be looked at.
        """
        entry = self._before.get(str(path))
        if isinstance(entry, list) and len(entry) == 2 and entry[0] == facts_of(path):
            with self._lock:
                self._now[str(path)] = entry
            return str(entry[1])
        return None

    def __call__(self, path: Path) -> Digest:
        """Return the sha256 of a file, from memory where the rule allows it.

        Raises:
            OSError: it cannot be read.
        """
        digest = self.known(path)
        if digest is None:
            facts = facts_of(path)
            trusted = settled(facts)
            digest = digest_file(path)
            if trusted and facts_of(path) == facts:
                with self._lock:
                    self._now[str(path)] = [facts, digest]
        return digest

    def remember(self) -> None:
        """Keep what was asked for, where that is news; what could not be kept is read again."""
        if self._now == self._before:
            return
        with contextlib.suppress(OSError):
            text = json.dumps({"boot": boot(), "files": self._now})
            write_atomically(self._memory, text.encode())
