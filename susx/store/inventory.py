"""What is in a store, and whether it is as it was written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from susx.errors import DamagedArtefact
from susx.store.artefacts import ArtefactStore
from susx.store.job import Ref

__all__ = ["Entry", "damaged", "inventory"]


@dataclass(frozen=True)
class Entry:
    """One artefact: stage, key, subject and bytes."""

    stage: str
    key: str
    subject: str
    size: int


def inventory(store: ArtefactStore) -> Iterator[Entry]:
    """Return every artefact of a store, by stage and key."""
    for stage, key, size in store.entries():
        manifest = store.peek(stage, key)
        yield Entry(stage, key, manifest.ingredients.get("subject", "") if manifest else "", size)


def damaged(store: ArtefactStore) -> Iterator[str]:
    """Hash every file of every artefact and return one sentence per damaged one, which is no artefact from then on.

    What is sound of it goes back to the workspace, for the next build to take up. One that is being made again now is
    left to who makes it.
    """
    for stage, key, _ in list(store.entries()):
        try:
            store.rehash(stage, key)
        except DamagedArtefact as damage:
            ref = Ref(stage, "", key, "")
            if not store.running(ref):
                with store.lock(ref):
                    store.salvage(ref)
            yield str(damage)
