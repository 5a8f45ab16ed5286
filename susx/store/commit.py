"""From a workspace to an artefact, and back when it is damaged; each ends in one rename."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from susx.modes import plain_mode
from susx.store import disk
from susx.store.check_files import STAT
from susx.store.fingerprint import digest_file, digest_tree
from susx.store.job import Job
from susx.store.manifest import FORMAT, MANIFEST
from susx.types import Digest, Json

__all__ = ["commit_folder", "salvage_folder"]


def commit_folder(work: Path, target: Path, job: Job, seconds: float, counts: Mapping[str, Json]) -> Digest:
    """Make the artefact ``target`` of a workspace and return its digest.

    Data and folders are on the disk before the manifest, the manifest before the rename.
    """
    files = {}
    for path in sorted(work.rglob("*")):
        if path.is_file() and path.name not in {MANIFEST, STAT}:
            if path.name.startswith("."):  # a file that was being written when the run was interrupted
                path.unlink()
            else:
                files[path.relative_to(work).as_posix()] = digest_file(path)
    digest = digest_tree(files)
    manifest = {
        "format": FORMAT,
        "ingredients": job.ingredients,
        "files": files,
        "digest": digest,
        "counts": dict(counts),
        "execution": dict(job.execution),
        "seconds": seconds,
        "created": time.time(),
    }
    (work / STAT).unlink(missing_ok=True)
    plain_mode(*(work / name for name in files))
    disk.sync_tree(work, files)
    disk.write_atomically(work / MANIFEST, json.dumps(manifest).encode())
    disk.sync_folder(work)
    if target.exists():
        shutil.rmtree(target)
    os.utime(work)  # its age begins now, also where a resumed file is older
    disk.move(work, target)
    return digest


def salvage_folder(folder: Path, work: Path) -> None:
    """Take a damaged artefact back into the workspace, keeping the files that are as they were written."""
    if not folder.is_dir():
        return
    manifest = disk.read_json(folder / MANIFEST)
    listed = manifest.get("files") if isinstance(manifest, dict) else None
    digests = listed if isinstance(listed, dict) else {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and (name not in digests or digest_file(path) != digests[name]):
            path.unlink()
    if work.exists():
        shutil.rmtree(folder)
    else:
        disk.move(folder, work)
