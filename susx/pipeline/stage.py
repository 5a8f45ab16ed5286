"""A stage of the pipeline, and one unit of its work: look the artefact up, or make it under its lock."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from susx.activity import doing
from susx.errors import DamagedArtefact, SourceChanged, StoreError, SusxError, is_full
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.inputs import Done
from susx.pipeline.outside import Outside, check_unchanged
from susx.pipeline.parameters import Execution, Params
from susx.store import ArtefactStore, Job, Outcome, Ref
from susx.store.user_cache import copy_artefact, shared_store, tidy
from susx.types import Json

__all__ = ["Jobs", "Run", "Stage", "execute", "lookup"]

logger = logging.getLogger(__name__)

Run: TypeAlias = Callable[[Job, ArtefactStore, Path], Mapping[str, Json]]
"""What a stage does: read the inputs of the job from the store, write files below the folder, return counts."""

Jobs: TypeAlias = Callable[[BuildPlan, Done], list[Job]]
"""The jobs of a stage in a build, from what the stages before it made; none where the stage does not apply."""


def _no_jobs(plan: BuildPlan, done: Done) -> list[Job]:
    return []


@dataclass(frozen=True)
class Stage:
    """A stage of the pipeline: its file holds this description, its jobs, its parameters and its work.

    Attributes:
        name: its name in keys, folders and tables.
        version: to be raised whenever the same ingredients would give another result.
        run: the work.
        title: what people read.
        jobs: what there is to do in a build.
        resumable: whether ``run`` takes up files that an interrupted run left in its folder.
        network: whether it talks to other machines (and is worth a retry).
        device: whether it wants the accelerator.
        outside: what it reads from outside the store, and its key names by a fingerprint.
        shared: whether its artefacts are made once a user and copied to each store: they depend on nothing of anybody's.
    """

    name: str
    version: int
    run: Run
    title: str
    jobs: Jobs = _no_jobs
    resumable: bool = False
    network: bool = False
    device: bool = False
    shared: bool = False
    outside: tuple[Outside, ...] = ()

    def job(
        self,
        plan: BuildPlan,
        inputs: Iterable[Ref] = (),
        *,
        subject: str = "",
        params: Params | None = None,
        execution: Execution | None = None,
    ) -> Job:
        """Return one unit of this stage's work; an input is known by the stage that made it and its subject.

        Raises:
            ValueError: two inputs are of one stage and subject.
        """
        refs = tuple(inputs)
        named = {ref.name: ref for ref in refs}
        if len(named) < len(refs):
            raise ValueError(f"Two inputs of '{self.name}' have the same stage and subject: {refs}")
        return Job(
            self.name, self.version, plan.dataset.name, subject, params.as_json() if params else {}, named,
            execution.as_json() if execution else {},
        )  # fmt: skip


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
            counts = _from_shared(stage, job, store, work)
            if counts is None:
                with doing(job.subject) if job.subject else contextlib.nullcontext():
                    counts = stage.run(job, store, work)
                check_unchanged(job, stage.outside)
        except BaseException as error:
            if not stage.resumable or isinstance(error, SourceChanged):
                shutil.rmtree(work, ignore_errors=True)
            if isinstance(error, Exception) and not isinstance(error, SusxError):
                _say(error, stage, job, store, work)
            raise
        seconds = time.perf_counter() - started
        ref = store.commit(job, seconds=seconds, counts=counts)
    store.remember(job)
    return Outcome(ref, "computed", seconds, counts, damage)


def _from_shared(stage: Stage, job: Job, store: ArtefactStore, work: Path) -> Mapping[str, Json] | None:
    """Have the work done, or found done, in the store that all of a user's stores share, and copy it.

    Returns:
        The counts; None where the stage shares nothing or that store cannot be used: then the work is done here.
    """
    shared = shared_store() if stage.shared and not job.inputs else None
    if shared is None or shared.root == store.root:
        return None
    try:
        done = execute(stage, job, shared)
        copy_artefact(shared, done.ref, work)
        tidy(shared)
    except (StoreError, DamagedArtefact, OSError) as error:
        logger.warning(
            "%s: the store that others share cannot be used (%s); it is done for this one alone",
            stage.title,
            error,
        )
        for path in work.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return None
    return done.counts


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
