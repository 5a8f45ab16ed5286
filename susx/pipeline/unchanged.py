"""A build of which nothing is stale: the graph is walked, every artefact verified, and that is all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from susx.errors import DamagedArtefact
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.graph import build
from susx.pipeline.run_folder import finish_run
from susx.pipeline.run_record import StageRecord
from susx.pipeline.stage import Stage, lookup
from susx.store import ArtefactStore, Job, Outcome, Ref
from susx.types import Json

__all__ = ["Stale", "finish_unchanged", "kept_outcomes"]


class Stale(Exception):
    """A stage has work to do."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.name)
        self.stage = stage


def kept_outcomes(jobs: Sequence[Job], store: ArtefactStore) -> list[Outcome] | None:
    """Return the outcomes of jobs whose artefacts are all there and sound, or None."""
    outcomes = []
    for job in jobs:
        try:
            outcome = lookup(job, store)
        except DamagedArtefact:
            return None
        if outcome is None:
            return None
        outcomes.append(outcome)
    return outcomes


@dataclass
class _Walk:
    """Carries out nothing; raises Stale at the first stage that has work to do."""

    store: ArtefactStore
    records: list[StageRecord] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)

    def run(self, stage: Stage, jobs: Sequence[Job]) -> list[Ref]:
        begun = time.perf_counter()
        outcomes = kept_outcomes(jobs, self.store)
        if outcomes is None:
            raise Stale(stage)
        seconds = time.perf_counter() - begun
        self.records.append(StageRecord(stage.name, begun - self.started, seconds, outcomes))
        return [outcome.ref for outcome in outcomes]

    def account(self) -> list[Json]:
        return [record.account() for record in self.records]


def finish_unchanged(plan: BuildPlan, store: ArtefactStore) -> dict[str, Any]:
    """Return the summary of a build of which nothing is stale, with ``run.json`` written as every build does.

    Raises:
        Stale: something is to be made; nothing was done.
    """
    walk = _Walk(store)
    result = build(plan, walk)
    return finish_run(plan, result, walk.records, store)
