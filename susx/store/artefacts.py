"""The artefact store: immutable, content-verified folders under a key.

Layout below the root::

    artefacts/<stage>/<key[:2]>/<key>/   files, manifest.json (written last), stat.json (what was verified when)
    partial/<stage>/<key>/               work in progress; survives a crash, so that a stage may resume
    locks/<key>.lock, use-<id>, gc       one builder per key, over processes; who uses the store (``usage``)
    slots/<dataset>/<stage>/<id>.json    the last ingredients of each unit of work, to say what changed
    features/<encoder>-<precision>/      features of photographs by the content of their files (``image_rows``)
    runs/<run>                           what a build gives its user (``runs``)
    trash/                               what gc takes away, until it is deleted

Writing: files go to ``partial``, are hashed, the manifest is written last, then one rename makes the artefact
appear (``commit``). Reading: :meth:`ArtefactStore.find` checks every file against the manifest (``check``) and
refreshes the artefact's age. A damaged artefact goes back to ``partial`` with its intact files.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from susx.errors import DamagedArtefact, StoreError
from susx.store import usage
from susx.store.check_files import check_files
from susx.store.commit import commit_folder, salvage_folder
from susx.store.disk import folder_size, listed, move, newest, read_json, write_atomically
from susx.store.fingerprint import digest_bytes, digest_json
from susx.store.job import Job, Ref
from susx.store.manifest import MANIFEST, Manifest, parse_manifest
from susx.types import Json

__all__ = ["ArtefactStore"]


class ArtefactStore:
    """A store in a local (or shared) folder.

    Attributes:
        root: the folder.
        shortest_keep: seconds that gc must keep what was used, at least.
    """

    shortest_keep: float = float("-inf")

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).expanduser().absolute()
        self._use: usage.Use | None = None

    def __getstate__(self) -> dict[str, object]:
        """Another process uses the store on its own account."""
        return {**self.__dict__, "_use": None}

    def in_use(self) -> None:
        """Let ``gc`` know that this process uses the store, until this object goes."""
        if self._use is None and self.root.is_dir():
            with contextlib.suppress(OSError):  # read-only for us: then nobody here removes anything
                self._use = usage.Use(self.root)

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
        manifest = self.look(job)
        return Ref(job.stage, job.subject, job.key, manifest.digest) if manifest else None

    def look(self, job: Job) -> Manifest | None:
        """Return the manifest of a job's verified artefact, or None when there is none.

        Raises:
            DamagedArtefact: there is one, but a file of it is missing or altered.
        """
        self.in_use()
        folder = self._folder(job.stage, job.key)
        with usage.reading(self.root):
            manifest = self.manifest(job.stage, job.key)
            if manifest is not None:
                check_files(folder, manifest)
                with contextlib.suppress(PermissionError, OSError):
                    os.utime(folder)
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

    def entries(self) -> Iterator[tuple[str, str, int]]:
        """Return stage, key and bytes of every artefact, by stage and key."""
        for stage in listed(self.root / "artefacts"):
            for prefix in listed(stage):
                for folder in listed(prefix):
                    yield stage.name, folder.name, folder_size(folder)

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
            check_files(self._folder(stage, key), manifest, rehash=True)

    def last_ingredients(self, job: Job) -> Json | None:
        """Return the ingredients this unit of work (data set, stage, subject) was last done with."""
        last = read_json(self._slot(job))
        return last if isinstance(last, dict) else None

    def running(self, job: Job | Ref) -> bool:
        """Whether another process is making this artefact now."""
        if not self._lock_path(job.key).exists():
            return False
        with self._try_lock(job.key) as free:
            return not free

    # ----------------------------------------------------------------- writing

    @contextlib.contextmanager
    def lock(self, job: Job | Ref) -> Iterator[None]:
        """Hold the right to build a job's artefact; a process that dies lets go of it."""
        path = self._lock_path(job.key)
        lock = FileLock(str(path))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.in_use()
            lock.acquire()
        except OSError as error:
            raise StoreError.of(error, path) from error
        try:
            yield
        finally:
            lock.release()

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
        work = self._partial(job.stage, job.key)
        try:
            digest = commit_folder(work, self._folder(job.stage, job.key), job, seconds, counts)
        except OSError as error:
            raise StoreError.of(error, work) from error
        return Ref(job.stage, job.subject, job.key, digest)

    def remember(self, job: Job) -> None:
        """Note the ingredients a unit of work was done with, so that a later run can say what changed."""
        path = self._slot(job)
        try:
            if read_json(path) != job.ingredients:
                write_atomically(path, json.dumps(job.ingredients).encode())
        except OSError as error:
            raise StoreError.of(error, path) from error

    def salvage(self, job: Job | Ref) -> None:
        """Take a damaged artefact back into the workspace, keeping the files that are as they were written.

        To be called under the artefact's lock.
        """
        folder = self._folder(job.stage, job.key)
        try:
            salvage_folder(folder, self._partial(job.stage, job.key))
        except OSError as error:
            raise StoreError.of(error, folder) from error

    def donors(self, job: Job) -> list[Path]:
        """Return folders of earlier artefacts of the same unit of work, whose finished files may be reused."""
        last = self.last_ingredients(job)
        if not last:
            return []
        folder = self._folder(job.stage, digest_json(last))
        return [folder] if (folder / MANIFEST).is_file() else []

    def share(self, name: str, folder: Path) -> None:
        """Make a version of a run visible to everybody who uses this store; here it already is."""

    # --------------------------------------------------------------- removing

    def references(self) -> Iterator[tuple[str, Json]]:
        """Return what keeps artefacts: ("", ingredients) of each unit of work, (run, its run.json) of each run."""
        for path in sorted((self.root / "slots").rglob("*.json")):
            yield "", read_json(path)
        for path in sorted((self.root / "runs").glob("*/run.json")):
            yield path.parent.name, read_json(path)

    def idle_since(self, ref: Ref) -> float:
        """Return when an artefact was last made, read or found, in seconds."""
        with contextlib.suppress(FileNotFoundError):
            return self._folder(ref.stage, ref.key).stat().st_mtime
        return float("inf")

    def discard(self, ref: Ref, limit: float) -> bool:
        """Remove an artefact unless it was found since ``limit``, or is being made; returns whether it went."""
        with usage.collecting(self.root):
            if self.running(ref) or self.idle_since(ref) >= limit:
                return False
            trash = self.root / "trash" / uuid.uuid4().hex
            move(self._folder(ref.stage, ref.key), trash)
        shutil.rmtree(trash, ignore_errors=True)
        return True

    def oldest_use(self) -> float | None:
        """Return when the oldest process that uses this store began, in seconds; None where nobody does."""
        return usage.oldest_use(self.root)

    def leftovers(self, limit: float) -> Iterator[Path]:
        """Return the workspaces that nobody touched since ``limit``, features that nobody read since, and trash."""
        yield from listed(self.root / "trash")
        for folder in (work for stage in listed(self.root / "partial") for work in listed(stage)):
            if newest(folder) < limit and not self.running(Ref(folder.parent.name, "", folder.name, "")):
                yield folder
        # Who reads features refreshes their folder.
        yield from (folder for folder in listed(self.root / "features") if newest(folder) < limit)

    def drop_leftover(self, folder: Path, limit: float) -> bool:
        """Remove what :meth:`leftovers` named, unless somebody took it up since; returns whether it went."""
        with self._try_lock(folder.name) as free:
            if free and (folder.parent.name == "trash" or newest(folder) < limit):
                shutil.rmtree(folder, ignore_errors=True)
                return True
        return False

    def drop_dead_locks(self) -> None:
        """Remove the locks that nobody holds; who waits for one notices that its file is gone, and makes it anew."""
        for path in sorted((self.root / "locks").glob("*.lock")):
            with self._try_lock(path.stem) as free:
                if free:
                    path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _try_lock(self, key: str) -> Iterator[bool]:
        lock = FileLock(str(self._lock_path(key)), timeout=0)
        try:
            lock.acquire()
        except (Timeout, OSError):
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def check_writable(self) -> None:
        """Raise StoreError unless files can be written below the root."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            write_atomically(self.root / ".writable", b"")
        except OSError as error:
            raise StoreError.of(error, self.root) from error
