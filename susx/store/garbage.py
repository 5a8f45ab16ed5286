"""What may be removed from a store: artefacts that nothing refers to, leftovers of runs long gone, dead locks.

An artefact is referred to when it is the latest of its unit of work (its slot), or an input of one that is referred
to, or named in a run's ``run.json``. Anything younger than ``keep_seconds`` stays.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping

from susx.errors import DamagedArtefact
from susx.store.artefacts import ArtefactStore, folder_size
from susx.store.fingerprint import digest_json
from susx.store.inventory import inventory
from susx.store.job import Ref

__all__ = ["collect"]


def collect(store: ArtefactStore, *, keep_seconds: float, delete: bool) -> list[tuple[str, int]]:
    """Return ``(relative path, bytes)`` of what may go, largest first; remove it when ``delete``."""
    roots = _roots(store)
    limit = time.time() - keep_seconds
    doomed = []
    for entry in inventory(store):
        folder = store.folder(Ref(entry.stage, entry.subject, entry.key, ""))
        if entry.key not in roots and folder.stat().st_mtime < limit:
            doomed.append((folder, entry.size))
    for folder in sorted((store.root / "partial").glob("*/*")):
        if folder.stat().st_mtime < limit:
            doomed.append((folder, folder_size(folder)))
    doomed.sort(key=lambda item: -item[1])
    if delete:
        for folder, _ in doomed:
            shutil.rmtree(folder, ignore_errors=True)
    return [(folder.relative_to(store.root).as_posix(), size) for folder, size in doomed]


def _roots(store: ArtefactStore) -> set[str]:
    """Return the keys that are referred to."""
    digests: dict[str, str] = {}
    files: dict[str, list[str]] = {}
    inputs: dict[str, Mapping[str, str]] = {}
    for entry in inventory(store):
        try:
            manifest = store.manifest(entry.stage, entry.key)
        except DamagedArtefact:
            continue
        if manifest is not None:
            digests[entry.key] = manifest.digest
            files[entry.key] = list(manifest.files.values())
            inputs[entry.key] = manifest.ingredients.get("inputs", {})
    by_content: dict[str, set[str]] = {}
    for key, digest in digests.items():
        for content in (digest, *files[key]):
            by_content.setdefault(content, set()).add(key)
    waiting = [digest_json(json.loads(path.read_bytes())) for path in (store.root / "slots").rglob("*.json")]
    for path in (store.root / "runs").glob("*/run.json"):
        run = json.loads(path.read_bytes())
        waiting += [run.get("support", ""), run.get("package", ""), *run.get("classifiers", {}).values()]
    kept: set[str] = set()
    while waiting:
        key = waiting.pop()
        if key in kept or key not in digests:
            continue
        kept.add(key)
        for digest in inputs[key].values():
            waiting += by_content.get(digest, set())
    return kept
