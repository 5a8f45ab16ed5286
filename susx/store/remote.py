"""The artefact store on an object store, with a local copy of what was made or read here.

Layout below the address::

    artefacts/<stage>/<key[:2]>/<key>/files/<sha256>    contents, named by their digest
    artefacts/<stage>/<key[:2]>/<key>/manifest.json     written last: before it there is no artefact
    slots/..., leases/<key>.json                        as in a local store; who is building what

An upload never overwrites a file by one of another content and the manifest comes last, so that a reader sees a whole
artefact or none, whatever two builders do at the same time. :meth:`RemoteStore.look` lists an artefact's objects; one
whose size and tag are not those seen when it was last read or written is downloaded and hashed again. What is damaged
on one side is healed from the other where that is sound.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from susx.errors import DamagedArtefact, StoreError
from susx.store.artefacts import ArtefactStore
from susx.store.bucket import Bucket
from susx.store.check_files import check_files
from susx.store.disk import write_atomically
from susx.store.fingerprint import digest_bytes, digest_json
from susx.store.job import Job, Ref
from susx.store.lease import LEASE_SECONDS, Lease
from susx.store.manifest import MANIFEST, Manifest, parse_manifest
from susx.store.user_cache import user_cache
from susx.types import Json

__all__ = ["RemoteStore"]

logger = logging.getLogger(__name__)

_REFRESH = 86400.0
"""Seconds after which a machine that uses an artefact says so again."""

_SKEW = 3.0
"""A lease is dead for those who only look when it is older than this many of its lives: clocks differ."""


class RemoteStore(ArtefactStore):
    """A store at an address fsspec knows; stages work in its local cache folder.

    Attributes:
        url: the address.
        root: the local cache folder.
    """

    shortest_keep = 2 * _REFRESH

    def __init__(self, url: str, cache: Path | None = None) -> None:
        self.bucket = Bucket(url)
        self.url = self.bucket.url
        super().__init__(Path(cache or user_cache()) / f"store-{digest_bytes(self.url.encode())[:16]}")

    @property
    def address(self) -> str:
        """What ``open_store`` needs to open this store in another process."""
        return self.url

    # ----------------------------------------------------------------- reading

    def folder(self, ref: Ref) -> Path:
        """Return the local folder of an artefact, downloading it where needed."""
        self.manifest(ref.stage, ref.key)
        return super().folder(ref)

    def look(self, job: Job) -> Manifest | None:
        """Return the manifest of a job's verified artefact, or None when there is none; both sides are checked.

        Raises:
            DamagedArtefact: a file is missing or altered and no sound copy is left.
        """
        stage, key = job.stage, job.key
        objects = self._objects(stage, key)
        if MANIFEST not in objects:
            manifest = None
            if (self._folder(stage, key) / MANIFEST).is_file():
                manifest = super().look(job)
                self._push(stage, key)
            return manifest
        manifest = self._pull(stage, key)
        try:
            check_files(self._folder(stage, key), manifest)
        except DamagedArtefact as damage:
            logger.warning("%s; it is downloaded again", damage)
            for name, digest in manifest.files.items():
                self._fetch(stage, key, name, digest)
        self._check(stage, key, manifest, objects)
        self._refresh(stage, key)
        return manifest

    def manifest(self, stage: str, key: str) -> Manifest | None:
        """Return an artefact's manifest, downloading the artefact where it is not here yet.

        Raises:
            DamagedArtefact: it is not what was written.
        """
        if not (self._folder(stage, key) / MANIFEST).is_file() and self.bucket.exists(
            self._at(stage, key, MANIFEST)
        ):
            return self._pull(stage, key)
        return super().manifest(stage, key)

    def entries(self) -> Iterator[tuple[str, str, int]]:
        """Return stage, key and bytes of every artefact on the object store, by stage and key."""
        sizes: dict[tuple[str, str], int] = {}
        whole: set[tuple[str, str]] = set()
        for name, (size, _) in self.bucket.list(self.bucket.path("artefacts")).items():
            stage, _, key, *rest = name.split("/")
            sizes[stage, key] = sizes.get((stage, key), 0) + int(size)
            if rest == [MANIFEST]:
                whole.add((stage, key))
        for stage, key in sorted(whole):
            yield stage, key, sizes[stage, key]

    def peek(self, stage: str, key: str) -> Manifest | None:
        """Return an artefact's manifest without downloading its files; None where it is damaged or not there."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            return parse_manifest(self.bucket.read(self._at(stage, key, MANIFEST)), key)
        return None

    def rehash(self, stage: str, key: str) -> None:
        """Read and hash every object of an artefact.

        Raises:
            DamagedArtefact: an object is missing or altered; it is named.
        """
        manifest = self.peek(stage, key)
        if manifest is None:
            raise DamagedArtefact(f"{self.url}: the manifest of {stage}/{key[:12]} is not valid")
        for name, digest in manifest.files.items():
            self._content(stage, key, name, digest)

    def last_ingredients(self, job: Job) -> Json | None:
        """Return the ingredients this unit of work was last done with, here or elsewhere."""
        last = super().last_ingredients(job)
        if last is None:
            with contextlib.suppress(FileNotFoundError, ValueError):
                last = json.loads(self.bucket.read(self._remote_slot(job)))
        return last

    def running(self, job: Job | Ref) -> bool:
        """Whether somebody is making this artefact now: there is a lease, and it was renewed lately."""
        modified = self.bucket.modified(self._lease_path(job.key))
        return modified is not None and time.time() - modified < _SKEW * LEASE_SECONDS

    # ----------------------------------------------------------------- writing

    @contextlib.contextmanager
    def lock(self, job: Job | Ref) -> Iterator[None]:
        """Hold the right to build a job's artefact, on this machine and among all."""
        lease = Lease(self.bucket.fs, self._lease_path(job.key))
        with super().lock(job):
            with self.bucket.words():
                lease.acquire()
            try:
                yield
            finally:
                with self.bucket.words():
                    lease.release()

    def commit(self, job: Job, *, seconds: float, counts: Mapping[str, Json]) -> Ref:
        """Turn the workspace of a job into its artefact, here and on the object store."""
        ref = super().commit(job, seconds=seconds, counts=counts)
        self._push(job.stage, job.key)
        return ref

    def remember(self, job: Job) -> None:
        """Note the ingredients a unit of work was done with, here and on the object store."""
        if super().last_ingredients(job) != job.ingredients:
            self.bucket.write(
                self._remote_slot(job), json.dumps(job.ingredients, ensure_ascii=False).encode()
            )
        super().remember(job)

    def salvage(self, job: Job | Ref) -> None:
        """Take a damaged artefact back into the workspace; others see none until it is made again.

        Damaged objects go; sound ones, and a sound local copy, are what the next build takes up.
        """
        self.bucket.remove(self._at(job.stage, job.key, MANIFEST))
        for name in self._objects(job.stage, job.key):
            path = self._at(job.stage, job.key, name)
            with contextlib.suppress(FileNotFoundError):
                if digest_bytes(self.bucket.read(path)) != name.removeprefix("files/"):
                    self.bucket.remove(path)
        super().salvage(job)

    # --------------------------------------------------------------- removing

    def references(self) -> Iterator[tuple[str, Json]]:
        """Return what keeps artefacts, of all machines (see :class:`ArtefactStore`)."""
        for kind, run in (("slots", ""), ("runs", "run.json")):
            for name in self.bucket.list(self.bucket.path(kind)):
                if name.endswith(run or ".json") and (not run or name.count("/") == 1):
                    data = None
                    with contextlib.suppress(FileNotFoundError, ValueError):
                        data = json.loads(self.bucket.read(self.bucket.path(kind, name)))
                    yield (name.partition("/")[0] if run else ""), data

    def idle_since(self, ref: Ref) -> float:
        """Return when an artefact was last made, or said to be in use, in seconds."""
        modified = self.bucket.modified(self._at(ref.stage, ref.key, MANIFEST))
        return float("inf") if modified is None else modified

    def discard(self, ref: Ref, limit: float) -> bool:
        """Remove an artefact's objects unless it was used since ``limit``; the manifest first: then there is none."""
        if self.running(ref) or self.idle_since(ref) >= limit:
            return False
        for name in sorted(self._objects(ref.stage, ref.key), key=lambda name: name != MANIFEST):
            self.bucket.remove(self._at(ref.stage, ref.key, name))
        return True

    def oldest_use(self) -> float | None:
        """Return None: who uses an object store cannot be asked; they say so in the manifests' times."""
        return None

    def leftovers(self, limit: float) -> Iterator[Path]:
        """Return nothing: what machines have begun lies on them."""
        return iter(())

    def drop_dead_locks(self) -> None:
        """Remove the leases that nobody renews."""
        for name in self.bucket.list(self.bucket.path("leases")):
            if not self.running(Ref("", "", name.removesuffix(".json"), "")):
                self.bucket.remove(self.bucket.path("leases", name))

    def _refresh(self, stage: str, key: str) -> None:
        """Say once a day that an artefact is in use: its manifest is written again and so gets a new time."""
        with contextlib.suppress(FileNotFoundError):
            if time.time() - self._seen(stage, key).stat().st_mtime > _REFRESH:
                self.bucket.write(
                    self._at(stage, key, MANIFEST), (self._folder(stage, key) / MANIFEST).read_bytes()
                )
                self._write_seen(stage, key)

    def donors(self, job: Job) -> list[Path]:
        """Return folders of earlier artefacts of the same unit of work."""
        last = self.last_ingredients(job)
        if last:
            with contextlib.suppress(DamagedArtefact):
                self.manifest(job.stage, digest_json(last))
        return super().donors(job)

    def share(self, name: str, folder: Path) -> None:
        """Upload a run: its files under the name of their version, then ``run.json``, which names the version."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                inside = path.relative_to(folder).as_posix()
                self.bucket.write(self.bucket.path("runs", name, folder.name, inside), path.read_bytes())
        self.bucket.write(self.bucket.path("runs", name, "run.json"), (folder / "run.json").read_bytes())

    def check_writable(self) -> None:
        """Raise StoreError unless both the cache folder and the object store can be written."""
        super().check_writable()
        self.bucket.write(self.bucket.path(".writable"), b"\n")

    # ------------------------------------------------------------------ remote

    def _at(self, stage: str, key: str, name: str) -> str:
        return self.bucket.path("artefacts", stage, key[:2], key, name)

    def _remote_slot(self, job: Job) -> str:
        return self.bucket.path(self._slot(job).relative_to(self.root).as_posix())

    def _lease_path(self, key: str) -> str:
        return self.bucket.path("leases", f"{key}.json")

    def _seen(self, stage: str, key: str) -> Path:
        return self.root / "seen" / stage / f"{key}.json"

    def _objects(self, stage: str, key: str) -> dict[str, list[Any]]:
        """Return size and tag of every object of an artefact, by name."""
        return self.bucket.list(self._at(stage, key, ""))

    def _push(self, stage: str, key: str) -> None:
        """Upload what is not there yet; the manifest last."""
        folder, there = self._folder(stage, key), self._objects(stage, key)
        manifest = ArtefactStore.manifest(self, stage, key)
        if manifest is None:
            raise StoreError(f"{folder} was removed while it was uploaded; run the same command again.")
        seen = self._read_seen(stage, key)
        with self.bucket.words():
            for name, digest in manifest.files.items():
                target = f"files/{digest}"
                if target not in there or there[target] != seen.get(target):
                    self.bucket.fs.put_file(os.fspath(folder / name), self._at(stage, key, target))
        self.bucket.write(self._at(stage, key, MANIFEST), (folder / MANIFEST).read_bytes())
        self._write_seen(stage, key)

    def _pull(self, stage: str, key: str) -> Manifest:
        """Return the manifest of an artefact that is there; download it, files first, unless it is here."""
        folder = self._folder(stage, key)
        if (folder / MANIFEST).is_file():
            with contextlib.suppress(DamagedArtefact):
                pulled = ArtefactStore.manifest(self, stage, key)
                if pulled is not None:
                    return pulled
        data = self.bucket.read(self._at(stage, key, MANIFEST))
        try:
            files = json.loads(data)["files"]
        except (ValueError, KeyError, TypeError):
            raise DamagedArtefact(f"{self.url}: the manifest of {stage}/{key[:12]} is not valid") from None
        for name, digest in files.items():
            self._fetch(stage, key, name, digest)
        write_atomically(folder / MANIFEST, data)
        manifest = ArtefactStore.manifest(self, stage, key)
        assert manifest is not None
        self._write_seen(stage, key)
        return manifest

    def _fetch(self, stage: str, key: str, name: str, digest: str) -> None:
        """Download one file, check it and put it into its local place."""
        write_atomically(self._folder(stage, key) / name, self._content(stage, key, name, digest))

    def _content(self, stage: str, key: str, name: str, digest: str) -> bytes:
        """Return what one file holds on the object store, checked."""
        try:
            data = self.bucket.read(self._at(stage, key, f"files/{digest}"))
        except FileNotFoundError:
            raise DamagedArtefact(f"{self.url}: {name} of {stage}/{key[:12]} is missing") from None
        if digest_bytes(data) != digest:
            raise DamagedArtefact(f"{self.url}: {name} of {stage}/{key[:12]} was altered")
        return data

    def _check(self, stage: str, key: str, manifest: Manifest, objects: Mapping[str, list[Any]]) -> None:
        """Heal objects that are missing or not those last seen; the local copy was verified before."""
        seen = self._read_seen(stage, key)
        wanted = {f"files/{digest}" for digest in manifest.files.values()} | {MANIFEST}
        changed = [name for name in wanted if objects.get(name) != seen.get(name)]
        if not changed:
            return
        for name in changed:
            with contextlib.suppress(FileNotFoundError, ValueError):
                data = self.bucket.read(self._at(stage, key, name))
                if name != MANIFEST and digest_bytes(data) == name.removeprefix("files/"):
                    continue
                if name == MANIFEST and json.loads(data).get("digest") == manifest.digest:
                    continue
            logger.warning("%s: %s of %s/%s is damaged; uploaded again", self.url, name, stage, key[:12])
            self._write_seen(stage, key, {k: v for k, v in seen.items() if k not in changed})
            self._push(stage, key)
            return
        self._write_seen(stage, key, dict(objects))

    def _read_seen(self, stage: str, key: str) -> dict[str, Any]:
        try:
            return dict(json.loads(self._seen(stage, key).read_bytes()))
        except (OSError, ValueError, TypeError):
            return {}

    def _write_seen(self, stage: str, key: str, objects: Mapping[str, Any] | None = None) -> None:
        seen = dict(objects if objects is not None else self._objects(stage, key))
        write_atomically(self._seen(stage, key), json.dumps(seen).encode())
