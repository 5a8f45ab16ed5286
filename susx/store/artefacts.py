"""The artefact store: immutable, content-verified folders under a key.

Layout below the root::

    artefacts/<stage>/<key[:2]>/<key>/   files, manifest.json (written last), stat.json (what was verified when)
    partial/<stage>/<key>/               work in progress; survives a crash, so that a stage may resume
    locks/<key>.lock                     one builder per key, over processes
    slots/<dataset>/<stage>/<id>.json    the last ingredients of each unit of work, to say what changed
    runs/<run>/                          reports

Writing: files go to ``partial``, are hashed, the manifest is written last, then one rename makes the artefact
appear. Reading: :meth:`ArtefactStore.find` checks every file against the manifest. A file is re-hashed unless its
(size, mtime, ctime, inode) are those seen when it was last hashed; ctime cannot be set by a program, so an edit that
restores the mtime is noticed too. A damaged artefact goes back to ``partial`` with its intact files.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from susx.errors import DamagedArtefact, StoreError
from susx.store.fingerprint import digest_bytes, digest_file, digest_json, digest_tree
from susx.store.job import Job, Ref
from susx.store.manifest import FORMAT, MANIFEST, Manifest, parse_manifest
from susx.types import Json

__all__ = ["ArtefactStore", "folder_size", "write_atomically"]

STAT = "stat.json"


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".tmp-{uuid.uuid4().hex}"
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def folder_size(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


class ArtefactStore:
    """A store in a local (or shared) folder."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).expanduser().absolute()

    @property
    def address(self) -> str:
        """What ``open_store`` needs to open this store in another process."""
        return str(self.root)

    # ------------------------------------------------------------------ places

    def folder(self, ref: Ref) -> Path:
        """Return the folder of an artefact."""
        return self._folder(ref.stage, ref.key)

    def path(self, ref: Ref, name: str = "") -> Path:
        """Return the path of an artefact's part, or of file ``name`` in it."""
        return self.folder(ref) / (name or ref.part)

    def _folder(self, stage: str, key: str) -> Path:
        return self.root / "artefacts" / stage / key[:2] / key

    def _partial(self, stage: str, key: str) -> Path:
        return self.root / "partial" / stage / key

    def _slot(self, job: Job) -> Path:
        name = digest_bytes(job.subject.encode("utf-8", "surrogatepass"))[:24]
        return self.root / "slots" / job.dataset / job.stage / f"{name}.json"

    # ----------------------------------------------------------------- reading

    def find(self, job: Job) -> Ref | None:
        """Return the verified artefact of a job, or None when there is none.

        Raises:
            DamagedArtefact: there is one, but a file of it is missing or altered.
        """
        found = self.look(job)
        return Ref(job.stage, job.subject, job.key, found.digest) if found else None

    def look(self, job: Job) -> Manifest | None:
        """Return the manifest of a job's verified artefact, or None when there is none.

        Raises:
            DamagedArtefact: there is one, but a file of it is missing or altered.
        """
        manifest = self.manifest(job.stage, job.key)
        if manifest is not None:
            self.verify(job.stage, job.key, manifest)
        return manifest

    def part(self, ref: Ref, name: str) -> Ref:
        """Return a ref to one file of an artefact; its digest is the file's own.

        Raises:
            StoreError: the artefact holds no such file.
        """
        if not ref.known:
            return Ref(ref.stage, ref.subject, "", "", name)
        manifest = self.manifest(ref.stage, ref.key)
        if manifest is None or name not in manifest.files:
            raise StoreError(
                f"The artefact {ref.stage}/{ref.key[:12]} holds no file '{name}'. Run the build again."
            )
        return Ref(ref.stage, ref.subject, ref.key, manifest.files[name], name)

    def manifest(self, stage: str, key: str) -> Manifest | None:
        """Return an artefact's manifest, or None when there is no such artefact.

        Raises:
            DamagedArtefact: the manifest cannot be read or is not what was written.
        """
        path = self._folder(stage, key) / MANIFEST
        try:
            return parse_manifest(path.read_bytes(), key)
        except FileNotFoundError:
            if path.parent.is_dir():
                raise DamagedArtefact(f"{path} is missing") from None
            return None
        except ValueError as error:
            raise DamagedArtefact(f"{path} is not a valid manifest ({error})") from error
        except OSError as error:
            raise StoreError.of(error, path) from error

    def verify(self, stage: str, key: str, manifest: Manifest, *, rehash: bool = False) -> None:
        """Check every file of an artefact (see the module docstring for what is re-hashed).

        Raises:
            DamagedArtefact: a file is missing or altered; it is named.
        """
        folder = self._folder(stage, key)
        seen = _read_json(folder / STAT) or {}
        fresh: dict[str, list[int]] = {}
        for name, digest in manifest.files.items():
            path = folder / name
            try:
                facts = _facts(path)
                if (rehash or seen.get(name) != facts) and digest_file(path) != digest:
                    raise DamagedArtefact(f"{path} was altered")
            except FileNotFoundError:
                raise DamagedArtefact(f"{path} is missing") from None
            except OSError as error:
                raise StoreError.of(error, path) from error
            fresh[name] = facts
        if fresh != seen:
            with contextlib.suppress(OSError):
                write_atomically(folder / STAT, json.dumps(fresh).encode())

    def entries(self) -> Iterator[tuple[str, str, int]]:
        """Return stage, key and bytes of every artefact, by stage and key."""
        for folder in sorted((self.root / "artefacts").glob("*/??/*")):
            yield folder.parent.parent.name, folder.name, folder_size(folder)

    def peek(self, stage: str, key: str) -> Manifest | None:
        """Return an artefact's manifest without bringing its files here; None where it is damaged or not there."""
        try:
            return self.manifest(stage, key)
        except DamagedArtefact:
            return None

    def rehash(self, stage: str, key: str) -> None:
        """Hash every file of an artefact again.

        Raises:
            DamagedArtefact: a file is missing or altered; it is named.
        """
        manifest = self.manifest(stage, key)
        if manifest is not None:
            self.verify(stage, key, manifest, rehash=True)

    def last_ingredients(self, job: Job) -> Json | None:
        """Return the ingredients this unit of work (data set, stage, subject) was last done with."""
        return _read_json(self._slot(job))

    def running(self, job: Job) -> bool:
        """Whether another process is making this artefact now."""
        lock = self._lock_path(job.key)
        if not lock.exists():
            return False
        try:
            with FileLock(str(lock), timeout=0):
                return False
        except Timeout:
            return True
        except OSError:
            return False

    # ----------------------------------------------------------------- writing

    @contextlib.contextmanager
    def lock(self, job: Job) -> Iterator[None]:
        """Hold the right to build a job's artefact; a process that dies lets go of it."""
        path = self._lock_path(job.key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(str(path)):
                yield
        except OSError as error:
            raise StoreError.of(error, path) from error

    def _lock_path(self, key: str) -> Path:
        return self.root / "locks" / f"{key}.lock"

    def workspace(self, job: Job, *, resume: bool) -> Path:
        """Return the folder to build in. With ``resume`` it holds what an interrupted build left, else it is empty."""
        folder = self._partial(job.stage, job.key)
        try:
            if not resume:
                shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError.of(error, folder) from error
        return folder

    def commit(self, job: Job, *, seconds: float, counts: Mapping[str, Json]) -> Ref:
        """Turn the workspace of a job into its artefact.

        Raises:
            StoreError: the disk is full or read-only; the workspace stays for the next run.
        """
        work, target = self._partial(job.stage, job.key), self._folder(job.stage, job.key)
        try:
            files = {}
            for path in sorted(work.rglob("*")):
                if path.is_file() and path.name not in {MANIFEST, STAT}:
                    if path.name.startswith(
                        "."
                    ):  # a file that was being written when the run was interrupted
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
            write_atomically(work / STAT, json.dumps({name: _facts(work / name) for name in files}).encode())
            write_atomically(work / MANIFEST, json.dumps(manifest, ensure_ascii=False).encode())
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                shutil.rmtree(target)
            os.replace(work, target)
        except OSError as error:
            raise StoreError.of(error, work) from error
        return Ref(job.stage, job.subject, job.key, digest)

    def remember(self, job: Job) -> None:
        """Note the ingredients a unit of work was done with, so that a later run can say what changed."""
        path = self._slot(job)
        try:
            if _read_json(path) != job.ingredients:
                write_atomically(path, json.dumps(job.ingredients, ensure_ascii=False).encode())
        except OSError as error:
            raise StoreError.of(error, path) from error

    def salvage(self, job: Job) -> None:
        """Take a damaged artefact back into the workspace, keeping the files that are as they were written."""
        folder, work = self._folder(job.stage, job.key), self._partial(job.stage, job.key)
        manifest = _read_json(folder / MANIFEST) or {}
        digests = manifest.get("files", {}) if isinstance(manifest, dict) else {}
        try:
            if not folder.is_dir():
                return
            for path in sorted(folder.rglob("*")):
                name = path.relative_to(folder).as_posix()
                if path.is_file() and (name not in digests or digest_file(path) != digests[name]):
                    path.unlink()
            if not work.exists():
                work.parent.mkdir(parents=True, exist_ok=True)
                os.replace(folder, work)
            else:
                shutil.rmtree(folder)
        except OSError as error:
            raise StoreError.of(error, folder) from error

    def donors(self, job: Job) -> list[Path]:
        """Return folders of earlier artefacts of the same unit of work, whose finished files may be reused."""
        last = self.last_ingredients(job)
        if not last:
            return []
        folder = self._folder(job.stage, digest_json(last))
        return [folder] if (folder / MANIFEST).is_file() else []

    def share(self, folder: Path) -> None:
        """Make a folder below the root visible to everybody who uses this store; here it already is."""

    def check_writable(self) -> None:
        """Raise StoreError unless files can be written below the root."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            write_atomically(self.root / ".writable", b"")
        except OSError as error:
            raise StoreError.of(error, self.root) from error


def _facts(path: Path) -> list[int]:
    stat = os.stat(path)
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
