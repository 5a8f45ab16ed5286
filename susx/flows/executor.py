"""Jobs as Prefect tasks: one task per class, or per shard of classes where there are many.

The store is looked at first: where an artefact is missing or damaged the task runs with ``refresh_cache``, whatever
Prefect remembers. Where all of a shard is there, the task is run at once in this process (it only records
``Cached``), also when the real work is done elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from prefect.client.schemas.objects import State
from prefect.exceptions import MissingResult
from prefect.task_runners import TaskRunner

from susx.errors import SusxError
from susx.flows.device_limit import waiting_for_device
from susx.flows.progress import Progress
from susx.flows.runners import device_options
from susx.flows.tasks import Shard, as_outcome, shard_task
from susx.pipeline.run_record import StageRecord
from susx.pipeline.stage import Stage
from susx.pipeline.unchanged import kept_outcomes
from susx.store import ArtefactStore, Job, Outcome, Ref
from susx.types import Json

__all__ = ["MAX_TASKS", "PrefectExecutor"]

MAX_TASKS = 48
"""Most tasks of one stage in one run; more classes than this share tasks."""

PATIENCE = 10.0
"""Seconds after which somebody who waits for the accelerator is told so."""


@dataclass
class PrefectExecutor:
    """Carries out jobs as tasks of the running flow.

    Attributes:
        store: where artefacts lie; all workers must reach it under the same path or address.
        progress: shown while long stages run.
        runner: an open task runner that does the work; None: the flow's own.
        shared: whether others look at the server: there, cached work is recorded and the accelerator shared.
        records: what every stage did, in order.
    """

    store: ArtefactStore
    progress: Progress
    runner: TaskRunner[Any] | None = None
    shared: bool = True
    records: list[StageRecord] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)

    def run(self, stage: Stage, jobs: Sequence[Job]) -> list[Ref]:
        """Carry out the jobs of one stage.

        Raises:
            SusxError: a job failed; the finished ones stay in the store.
        """
        record = StageRecord(stage.name, time.perf_counter() - self.started)
        begun = time.perf_counter()
        size = -(-len(jobs) // MAX_TASKS)
        shards = [list(jobs[i : i + size]) for i in range(0, len(jobs), size)]
        kept_of = [kept_outcomes(shard, self.store) for shard in shards]
        failure: BaseException | None = None
        with self.progress.stage(stage, len(jobs), cached=all(k is not None for k in kept_of)) as advance:
            waiting: list[Any] = []
            for shard, done in zip(shards, kept_of, strict=True):
                if done is None:
                    waiting.append(self._submit(stage, shard))
                else:
                    if self.shared:
                        self._note(stage, shard)
                    waiting.append(None)
            for shard, done, future in zip(shards, kept_of, waiting, strict=True):
                if done is None:
                    self._await(stage, future, waiting)
                    if not future.state.is_completed():
                        failure = failure or _failure(future.state)
                        continue
                    done = self._outcomes(shard, future.state)
                record.outcomes += done
                advance(len(shard))
        record.seconds = time.perf_counter() - begun
        self.records.append(record)
        self.progress.ended(stage, record)
        if failure is not None:
            raise failure
        return [outcome.ref for outcome in record.outcomes]

    def _await(self, stage: Stage, future: Any, submitted: Sequence[Any]) -> None:
        """Wait for a task run; where it waits for others' use of the accelerator, say so."""
        told = not (self.shared and stage.device)
        while not told:
            future.wait(PATIENCE)
            if future.state.is_final():
                return
            if text := waiting_for_device([other.task_run_id for other in submitted if other is not None]):
                self.progress.say(text)
                told = True
        future.wait()

    def _note(self, stage: Stage, shard: list[Job]) -> None:
        """Record a task run for work that is done."""
        done = shard_task(stage, shard, fresh=True, results=None, tagged=False)
        _ = done(stage.name, Shard(shard), self.store.address, return_state=True)

    def account(self) -> list[Json]:
        """Return what each stage did so far."""
        return [record.account() for record in self.records]

    def _submit(self, stage: Stage, shard: list[Job]) -> Any:
        if self.runner is None:
            work = shard_task(stage, shard, fresh=False, results=None, tagged=self.shared)
            return work.submit(stage.name, Shard(shard), self.store.address)
        work = shard_task(stage, shard, fresh=False, results=self.store.root / "prefect", tagged=self.shared)
        parameters = {"stage": stage.name, "shard": Shard(shard), "store": self.store.address}
        with device_options(self.runner, stage):
            return self.runner.submit(work, parameters)

    def _outcomes(self, shard: list[Job], state: State) -> list[Outcome]:
        try:
            return [as_outcome(data) for data in state.result()]
        except (OSError, ValueError, MissingResult) as error:
            # The result was written on a machine whose disk this one does not see; the store says the same.
            kept = kept_outcomes(shard, self.store)
            if kept is None:
                raise SusxError(
                    f"The work of {shard[0].stage} '{shard[0].subject}' was done, but its artefact is not in "
                    f"{self.store.address}. All workers need the same store: a shared folder or an object store."
                ) from error
            return kept


def _failure(state: State) -> BaseException:
    try:
        _ = state.result()
    except BaseException as error:
        return error
    return SusxError(f"A task ended as {state.name}: {state.message}")
