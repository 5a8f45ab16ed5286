"""From what a person calls a store (a folder, or an address like ``s3://bucket/prefix``) to the store."""

from __future__ import annotations

import os
import re
from pathlib import Path

from susx.store.artefacts import ArtefactStore

__all__ = ["is_remote", "open_store"]

_SCHEME = re.compile(r"^([a-z][a-z0-9+.-]+)://", re.IGNORECASE)


def is_remote(address: str | os.PathLike[str]) -> bool:
    """Whether an address names an object store rather than a folder.

    >>> is_remote("s3://bucket/susx"), is_remote("./susx-store")
    (True, False)
    """
    return bool(_SCHEME.match(os.fspath(address)))


def open_store(address: str | os.PathLike[str], cache: Path | None = None) -> ArtefactStore:
    """Open the store at an address.

    Args:
        address: a folder, or any address fsspec knows (``s3://``, ``gs://``, ``az://`` ...).
        cache: folder for local copies of a remote store; default ``$SUSX_CACHE`` or ``~/.cache/susx``, and in it a
            folder named after the address.

    Raises:
        StoreError: fsspec knows no such address, or its package is missing.
    """
    if not is_remote(address):
        return ArtefactStore(Path(address))
    from susx.store.remote import RemoteStore

    return RemoteStore(os.fspath(address), cache)
