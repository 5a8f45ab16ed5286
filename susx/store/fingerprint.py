"""Content fingerprints: sha256 of values, files and folders.

Hashing large files again and again would cost more than many stages do, so :class:`FileDigests` remembers a file's
digest together with its (size, mtime in ns, inode). The rule, tested: the digest is reused only when all three
agree *and* the file was last modified more than ``SETTLE_NS`` before it was hashed (a file changed within the clock's
granularity keeps its mtime). A tool that rewrites a file of equal size in place and restores its mtime and inode
is not noticed; ``susx store verify`` re-hashes everything.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from susx.types import Digest, Json

__all__ = ["SETTLE_NS", "FileDigests", "digest_bytes", "digest_file", "digest_json", "digest_tree"]

SETTLE_NS = 2_000_000_000
"""Nanoseconds a file must have been left alone before its remembered digest is trusted."""

_CHUNK = 1 << 20


def digest_bytes(data: bytes) -> Digest:
    """Return the sha256 of ``data`` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_json(value: Json) -> Digest:
    """Return the sha256 of a JSON value; the order of mapping keys does not matter.

    >>> digest_json({"a": 1, "b": 2}) == digest_json({"b": 2, "a": 1})
    True

    Raises:
        ValueError: the value holds NaN or infinity.
        TypeError: the value is not JSON.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return digest_bytes(text.encode("utf-8", "surrogatepass"))


def digest_file(path: Path) -> Digest:
    """Return the sha256 of a file's content."""
    state = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            state.update(chunk)
    return state.hexdigest()


def digest_tree(files: Mapping[str, Digest]) -> Digest:
    """Return the digest of a folder, given the digests of its files by relative path."""
    return digest_json(dict(files))


class FileDigests:
    """Digests of files, remembered while a file's size, mtime and inode stay the same (see module docstring)."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int, int], Digest] = {}

    def __call__(self, path: Path) -> Digest:
        """Return the sha256 of ``path``, from memory where the rule allows it."""
        stat = os.stat(path)
        key = (os.fspath(path), stat.st_size, stat.st_mtime_ns, stat.st_ino)
        known = self._known.get(key)
        if known is None:
            settled = time.time_ns() - stat.st_mtime_ns > SETTLE_NS
            known = digest_file(path)
            if settled:
                self._known[key] = known
        return known
