"""Pictures of an index or pool that lie in files of this machine: what they hold decides what is fetched of them.

An index names such a picture by its path, and its own identity says nothing of the picture's content: a file that was replaced in its
place is fetched again because its digest is an ingredient of the stage ``fetch``.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from susx.images.retrieve.candidates import read_candidates
from susx.store import ArtefactStore, Job, Ref, digest_file
from susx.store.seen_files import SeenFiles
from susx.types import Digest

__all__ = ["IN_FILES", "Originals", "content_now"]

IN_FILES = "in files"
"""Count of a search: candidates that name a file."""

_GONE = ""
"""In place of the digest of a file that is not there or cannot be read."""


class Originals:
    """Digests of the files that searches name; those of unchanged files are not read again."""

    def __init__(self, store: ArtefactStore, data_set: str) -> None:
        """Read what is remembered of the files of a data set's searches."""
        self._store = store
        self._seen = SeenFiles(store, store.root / "originals" / data_set)

    def of(self, search: Ref, file: str, before: Job) -> dict[str, Digest]:
        """Return path -> digest of the files that a search names.

        Args:
            search: its artefact.
            file: of the candidates in it.
            before: the job that fetches them, without its files: what it fetched the last time stands in for a search that is still to be made.
        """
        if not search.known:
            params = (self._store.last_ingredients(before) or {}).get("params")
            return dict(params.get("originals", {})) if isinstance(params, dict) else {}
        manifest = self._store.manifest(search.stage, search.key)
        if manifest is None or not manifest.counts.get(IN_FILES):
            return {}
        candidates = read_candidates(self._store.path(search, file), images=False)
        return {one.path: _digest(one.path, self._seen) for one in candidates if one.path and not one.refused}

    def remember(self) -> None:
        """Keep the digests that were asked for, for the next process."""
        self._seen.remember()


def content_now(paths: Iterable[str]) -> dict[str, Digest]:
    """Return path -> digest of files, read anew."""
    return {path: _digest(path) for path in paths}


def _digest(path: str, seen: SeenFiles | None = None) -> Digest:
    try:
        return (seen or digest_file)(Path(path)) if Path(path).is_file() else _GONE
    except OSError:
        return _GONE
