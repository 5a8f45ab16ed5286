"""Whether the files of an artefact are those that were written.

Hashing all of a store at each build would cost more than many stages do. ``stat.json`` keeps, for each boot of a
machine, the (size, mtime, ctime, inode) that a file had when it was last hashed; ctime cannot be set by a program, so
an edit that restores the mtime is noticed. Facts of another boot, and those taken when the file was as young as the
clock is coarse, are not believed: the file is hashed again.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from susx.errors import DamagedArtefact, StoreError
from susx.store import disk
from susx.store.fingerprint import digest_file
from susx.store.manifest import Manifest

__all__ = ["STAT", "check_files"]

STAT = "stat.json"
_BOOTS = 4
"""Machines that share a store each keep their own facts; those of the last few are kept."""


def check_files(folder: Path, manifest: Manifest, *, rehash: bool = False) -> None:
    """Check every file of an artefact; with ``rehash`` by content, whatever is known.

    Raises:
        DamagedArtefact: a file is missing or altered; it is named.
    """
    remembered = disk.read_json(folder / STAT)
    boots = (
        {k: v for k, v in remembered.items() if isinstance(v, dict)} if isinstance(remembered, dict) else {}
    )
    seen = boots.pop(disk.boot(), {})
    fresh: dict[str, disk.Facts] = {}
    for name, digest in manifest.files.items():
        path = folder / name
        try:
            facts = disk.facts_of(path)
            if rehash or seen.get(name) != facts:
                certain = disk.settled(facts)
                if digest_file(path) != digest:
                    raise DamagedArtefact(f"{path} was altered")
                if certain:
                    fresh[name] = facts
            else:
                fresh[name] = facts
        except FileNotFoundError:
            raise DamagedArtefact(f"{path} is missing") from None
        except OSError as error:
            raise StoreError.of(error, path) from error
    if fresh != seen:
        kept = dict(list(boots.items())[1 - _BOOTS :]) | {disk.boot(): fresh}
        with contextlib.suppress(OSError):
            disk.write_atomically(folder / STAT, json.dumps(kept).encode())
