"""Where a user's own cache lies, and the store in it that all stores of a user share.

Some artefacts depend on nothing of anybody's (the embedded pool: thousands of pictures drawn from a seed). They are made once
a user, in a store of their own, and copied from there: ``$SUSX_SHARED_STORE``, by default ``shared`` in the user's cache
folder; ``off`` or an empty value for none.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path

import platformdirs

from susx.errors import DamagedArtefact
from susx.store.artefacts import ArtefactStore
from susx.store.fingerprint import digest_file
from susx.store.job import Ref

__all__ = ["SHARED", "copy_artefact", "shared_store", "tidy", "user_cache"]

SHARED = "SUSX_SHARED_STORE"
"""The variable that names the shared store's folder, or switches it off."""

_OFF = frozenset({"", "off", "0", "no", "none", "false"})
_KEPT = 90 * 86400.0
"""Seconds after which an artefact that no store asked for leaves the shared store."""


def user_cache() -> Path:
    """Return the folder of a user's cache: ``$SUSX_CACHE``, else the platform's."""
    return Path(os.environ.get("SUSX_CACHE") or platformdirs.user_cache_path("susx"))


def shared_store() -> ArtefactStore | None:
    """Return the store that all stores of a user share, or None where it is switched off."""
    folder = os.environ.get(SHARED)
    if folder is None:
        return ArtefactStore(user_cache() / "shared")
    return None if folder.strip().lower() in _OFF else ArtefactStore(folder)


def copy_artefact(store: ArtefactStore, ref: Ref, work: Path) -> None:
    """Copy the files of an artefact into a workspace, each checked against the manifest.

    Raises:
        DamagedArtefact: a file is not what was written.
        OSError: a file is gone, or the disk is full.
    """
    manifest = store.manifest(ref.stage, ref.key)
    if manifest is None:
        raise FileNotFoundError(f"{store.folder(ref)} was removed")
    for name, digest in manifest.files.items():
        source, target = store.folder(ref) / name, work / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        if digest_file(target) != digest:
            raise DamagedArtefact(f"{source} was altered")


def tidy(store: ArtefactStore) -> None:
    """Remove from a shared store what nobody asked for in a long time, and what a killed build left."""
    limit = time.time() - _KEPT
    with contextlib.suppress(OSError):
        for stage, key, _ in store.entries():
            store.discard(Ref(stage, "", key, ""), limit)
        for folder in store.leftovers(limit):
            store.drop_leftover(folder, limit)
