"""Content fingerprints: sha256 of values, files and folders."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from susx.types import Digest, Json

__all__ = ["SETTLE_NS", "digest_bytes", "digest_file", "digest_json", "digest_tree"]

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
