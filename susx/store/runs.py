"""Run folders: what a build gives its user, whole and of one build, at every moment.

    runs/<name>                        a symbolic link to the current version
    runs/.versions/<name>/<version>/   the files, and run.json with the digest of each

A version is copied, checked against the artefacts' digests, put on the disk and never changed but for ``run.json``,
which is replaced in one rename; then the link is switched in one rename. Who opened the version before finishes
reading: it stays until the publication after next. Publishing takes a lock of the run, so that builds take turns.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

from susx.errors import StoreError
from susx.store import disk
from susx.store.artefacts import ArtefactStore
from susx.store.fingerprint import digest_file
from susx.types import Digest, Json

__all__ = ["RUN", "damaged_runs", "faults", "publish", "run_folder"]

RUN = "run.json"


def run_folder(store: ArtefactStore, name: str) -> Path:
    """Return where people find a run."""
    return store.root / "runs" / name


def publish(
    store: ArtefactStore, name: str, files: Mapping[str, tuple[Path, Digest]], summary: Mapping[str, Json]
) -> None:
    """Show files and ``run.json`` under ``runs/<name>``, all of this build at once.

    Where the run already shows exactly these files, and they are as they were written, only ``run.json`` is written.

    Args:
        files: relative path -> where it is now, and its digest.
        summary: what ``run.json`` tells; ``files`` with the digests is added.

    Raises:
        StoreError: the folder cannot be written, or an artefact was altered meanwhile.
    """
    link = run_folder(store, name)
    wanted = {inside: digest for inside, (_, digest) in sorted(files.items())}
    text = json.dumps({**summary, "files": wanted}, indent=1).encode()
    try:
        (store.root / "locks").mkdir(parents=True, exist_ok=True)
        with FileLock(str(store.root / "locks" / f"run-{name}.lock")):
            if _digests(link) == wanted and not faults(link):
                disk.write_atomically(link / RUN, text)
                folder = link.resolve()
            else:
                folder = _new_version(link, files, text)
            store.share(name, folder)
    except OSError as error:
        raise StoreError.of(error, link) from error


def faults(folder: Path) -> list[str]:
    """Return a sentence for each file of a run that is missing or not as it was written."""
    digests = _digests(folder)
    if digests is None:
        return [f"{folder / RUN} is missing or cannot be read"]
    sentences = []
    for inside, digest in digests.items():
        path = folder / inside
        if not path.is_file():
            sentences.append(f"{path} is missing")
        elif digest_file(path) != digest:
            sentences.append(f"{path} was altered")
    return sentences


def damaged_runs(store: ArtefactStore) -> list[str]:
    """Return a sentence for each damaged file of each run."""
    runs = sorted(path for path in (store.root / "runs").glob("*") if not path.name.startswith("."))
    return [sentence for path in runs for sentence in faults(path)]


def _digests(folder: Path) -> dict[str, Digest] | None:
    data = disk.read_json(folder / RUN)
    files = data.get("files") if isinstance(data, dict) else None
    return files if isinstance(files, dict) else None


def _new_version(link: Path, files: Mapping[str, tuple[Path, Digest]], text: bytes) -> Path:
    versions = link.parent / ".versions" / link.name
    disk.make_folder(versions)
    before = link.resolve().name if link.is_symlink() else ""
    for leftover in versions.iterdir():
        if leftover.name != before:
            shutil.rmtree(leftover, ignore_errors=True)
    folder = versions / uuid.uuid4().hex[:12]
    folder.mkdir()
    for inside, (source, digest) in files.items():
        target = folder / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        if digest_file(target) != digest:
            raise StoreError(f"{source} was altered while the run was published; run the same command again.")
    (folder / RUN).write_bytes(text)
    disk.sync_tree(folder, [*files, RUN])
    disk.sync_folder(versions)
    _switch(link, folder)
    return folder


def _switch(link: Path, folder: Path) -> None:
    """Let a link show a folder from now on; relative, so that a store can be moved."""
    if link.is_dir() and not link.is_symlink():  # copied by a tool that knows no links, or by a person
        os.replace(link, folder.parent / uuid.uuid4().hex[:12])
    new = link.parent / f".{link.name}-{uuid.uuid4().hex[:8]}"
    new.symlink_to(os.path.relpath(folder, link.parent))
    try:
        os.replace(new, link)
    except BaseException:
        with contextlib.suppress(OSError):
            new.unlink()
        raise
    disk.sync_folder(link.parent)
