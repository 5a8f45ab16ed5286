"""What may be removed from a store: artefacts that nothing refers to, leftovers of runs long gone, dead locks.

An artefact is referred to when it is the latest of its unit of work (its slot), or named in a run's ``run.json``, or an
input of one that is referred to. What was made or read in the last ``keep_seconds``, or since the oldest process that
uses the store now began, stays.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from susx.errors import StoreError
from susx.store.artefacts import ArtefactStore
from susx.store.disk import folder_size
from susx.store.fingerprint import digest_json
from susx.store.job import Ref
from susx.types import Json

__all__ = ["Garbage", "collect"]


@dataclass(frozen=True)
class Garbage:
    """What :func:`collect` found.

    Attributes:
        removable: relative path and bytes of what may go (or went), largest first.
        runs: for each run, the bytes of the artefacts that nothing but it refers to: what would go with it.
    """

    removable: tuple[tuple[str, int], ...] = ()
    runs: Mapping[str, int] = field(default_factory=dict)


def collect(store: ArtefactStore, *, keep_seconds: float, delete: bool) -> Garbage:
    """Find what may go; remove it when ``delete``.

    Raises:
        StoreError: ``keep_seconds`` is too short for this kind of store.
    """
    if keep_seconds < store.shortest_keep:
        raise StoreError(
            f"On an object store a build elsewhere says only once a day what it uses: keep at least "
            f"{store.shortest_keep / 86400:.0f} days (--days), found {keep_seconds / 86400:g}."
        )
    since = store.oldest_use()
    limit = min(time.time() - keep_seconds, since if since is not None else float("inf"))
    sizes = {(stage, key): size for stage, key, size in store.entries()}
    links = _Links(store, sizes)
    shared = links.reachable(roots for run, roots in links.roots if not run)
    by_run = {run: links.reachable([roots]) for run, roots in links.roots if run}
    kept = shared.union(*by_run.values())
    removed = []
    for (stage, key), size in sizes.items():
        ref = Ref(stage, "", key, "")
        if key not in kept and store.idle_since(ref) < limit and (not delete or store.discard(ref, limit)):
            removed.append((f"artefacts/{stage}/{key[:2]}/{key}", size))
    for folder in list(store.leftovers(limit)):
        size = folder_size(folder)
        if not delete or store.drop_leftover(folder, limit):
            removed.append((folder.relative_to(store.root).as_posix(), size))
    if delete:
        store.drop_dead_locks()
    alone = {
        run: keys - shared.union(*(other for name, other in by_run.items() if name != run))
        for run, keys in by_run.items()
    }
    runs = {run: sum(size for (_, key), size in sizes.items() if key in keys) for run, keys in alone.items()}
    return Garbage(tuple(sorted(removed, key=lambda item: -item[1])), runs)


class _Links:
    """Which artefacts lead to which."""

    def __init__(self, store: ArtefactStore, artefacts: Iterable[tuple[str, str]]) -> None:
        self.inputs: dict[str, Mapping[str, str]] = {}
        self.holders: dict[str, set[str]] = {}
        for stage, key in artefacts:
            manifest = store.peek(stage, key)
            if manifest is not None:
                self.inputs[key] = manifest.ingredients.get("inputs", {})
                for content in (manifest.digest, *manifest.files.values()):
                    self.holders.setdefault(content, set()).add(key)
        self.roots = [(run, _roots(run, data)) for run, data in store.references()]

    def reachable(self, roots: Iterable[Iterable[str]]) -> set[str]:
        """Return the keys of the artefacts that ``roots`` are or were made from."""
        waiting = [key for keys in roots for key in keys]
        kept: set[str] = set()
        while waiting:
            key = waiting.pop()
            if key not in kept and key in self.inputs:
                kept.add(key)
                for digest in self.inputs[key].values():
                    waiting += self.holders.get(digest, set())
        return kept


def _roots(run: str, data: Json) -> list[str]:
    """Return the keys a slot or a run names; none where the file is torn."""
    if not isinstance(data, dict):
        return []
    if not run:
        return [digest_json(data)]
    named = data.get("artefacts")
    return [key for key in named.values() if isinstance(key, str)] if isinstance(named, dict) else []
