"""One unit of work: look the artefact up, or make it under its lock."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from susx.errors import DamagedArtefact, StoreError, SusxError, is_full
from susx.store import ArtefactStore, Job, Outcome, Ref
from susx.types import Json

__all__ = ["Run", "Stage", "execute", "lookup"]

logger = logging.getLogger(__name__)

Run: TypeAlias = Callable[[Job, ArtefactStore, Path], Mapping[str, Json]]
"""What a stage does: read the inputs of the job from the store, write files below the folder, return counts."""


@dataclass(frozen=True)
class Stage:
    """A stage of the pipeline.

    Attributes:
        name: its name in keys, folders and tables.
        version: to be raised whenever the same ingredients would give another result.
        run: the work.
        title: what people read.
        resumable: whether ``run`` takes up files that an interrupted run left in its folder.
        network: whether it talks to other machines (and is worth a retry).
        device: whether it wants the accelerator.
    """

    name: str
    version: int
    run: Run
    title: str
    resumable: bool = False
    network: bool = False
    device: bool = False


def lookup(job: Job, store: ArtefactStore) -> Outcome | None:
    """Return the outcome of a job whose verified artefact is there, else None.

    Raises:
        DamagedArtefact: the artefact is there, but not as it was written.
    """
    manifest = store.look(job)
    if manifest is None:
        return None
    store.remember(job)
    return Outcome(Ref(job.stage, job.subject, job.key, manifest.digest), "cached", 0.0, manifest.counts)


def execute(stage: Stage, job: Job, store: ArtefactStore) -> Outcome:
    """Return a job's outcome, doing the work where no sound artefact is there.

    A damaged artefact is taken back to the workspace, so that a resumable stage redoes only what is lost. Two
    processes asked for the same key wait for each other; the second finds the artefact of the first.
    """
    damage = ""
    try:
        if (done := lookup(job, store)) is not None:
            return done
    except DamagedArtefact as error:
        damage = str(error)
    with store.lock(job):
        try:
            if (done := lookup(job, store)) is not None:
                return done
        except DamagedArtefact as error:
            damage = str(error)
            logger.warning("%s '%s': %s; it is made again", job.stage, job.subject, damage)
            store.salvage(job)
        started = time.perf_counter()
        work = store.workspace(job, resume=stage.resumable)
        try:
            counts = stage.run(job, store, work)
        except BaseException as error:
            if not stage.resumable:
                shutil.rmtree(work, ignore_errors=True)
            if isinstance(error, Exception) and not isinstance(error, SusxError):
                _say(error, stage, job, store, work)
            raise
        seconds = time.perf_counter() - started
        ref = store.commit(job, seconds=seconds, counts=counts)
    store.remember(job)
    return Outcome(ref, "computed", seconds, counts, damage)


def _say(error: Exception, stage: Stage, job: Job, store: ArtefactStore, work: Path) -> None:
    """Put an error of the operating system into words; only one below the store's root is the store's.

    Raises:
        StoreError: the disk is full, or a file of the store cannot be written or read.
        SusxError: a file elsewhere, an image or another machine: it is named.
    """
    name = getattr(error, "filename", None)
    below = isinstance(name, (str, os.PathLike)) and Path(name).absolute().is_relative_to(store.root)
    if is_full(error) or (isinstance(error, OSError) and (below or error.errno == errno.EROFS)):
        raise StoreError.of(error, name if below else work) from error
    if isinstance(error, OSError):
        raise SusxError(
            f"{stage.title}{f' of {job.subject!r}' if job.subject else ''} failed: {type(error).__name__}: {error}. "
            "Mend what is named and run the same command again; finished work is kept."
        ) from error
