"""What is in a store, and whether it is as it was written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from susx.errors import DamagedArtefact
from susx.store.artefacts import ArtefactStore

__all__ = ["Entry", "damaged", "folder_size", "inventory"]


@dataclass(frozen=True)
class Entry:
    """One artefact: stage, key, subject and bytes on disk."""

    stage: str
    key: str
    subject: str
    size: int
    folder: Path


def inventory(store: ArtefactStore) -> Iterator[Entry]:
    """Return every artefact of a store, by stage and key."""
    for folder in _folders(store):
        stage, key = folder.parent.parent.name, folder.name
        try:
            manifest = store.manifest(stage, key)
        except DamagedArtefact:
            manifest = None
        subject = manifest.ingredients.get("subject", "") if manifest else ""
        yield Entry(stage, key, subject, folder_size(folder), folder)


def damaged(store: ArtefactStore) -> Iterator[str]:
    """Hash every file of every artefact and return one sentence per damaged artefact."""
    for folder in _folders(store):
        stage, key = folder.parent.parent.name, folder.name
        try:
            manifest = store.manifest(stage, key)
            if manifest is not None:
                store.verify(stage, key, manifest, rehash=True)
        except DamagedArtefact as damage:
            yield str(damage)


def folder_size(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _folders(store: ArtefactStore) -> list[Path]:
    return sorted((store.root / "artefacts").glob("*/??/*"))
