"""Who carries out jobs: here and now (:class:`InlineExecutor`), or nobody (:class:`PlanExecutor`).

The graph of the pipeline is written once, against the :class:`Executor` protocol; a dry run and ``susx status`` walk
the same graph as a build does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from susx.activity import doing
from susx.errors import DamagedArtefact
from susx.pipeline.stage import Stage, execute, lookup
from susx.store import ArtefactStore, Job, Outcome, Ref
from susx.types import Json

__all__ = ["Executor", "InlineExecutor", "PlanExecutor", "PlannedJob", "State", "changes"]

LONGEST = 48
"""Characters of a value that are shown in a reason."""

State: TypeAlias = Literal["fresh", "stale", "missing", "running", "waits"]
"""``stale`` and ``missing`` are made for sure; what ``waits`` is made only if what it waits for turns out otherwise."""


@runtime_checkable
class Executor(Protocol):
    """Carries out jobs of one stage and returns their artefacts in order."""

    store: ArtefactStore

    def run(self, stage: Stage, jobs: Sequence[Job]) -> list[Ref]:
        """Carry out the jobs."""
        ...

    def account(self) -> list[Json]:
        """Return what each stage did so far, for the report: computed, cached, seconds, start."""
        ...


@dataclass
class InlineExecutor:
    """Carries out jobs one after the other in this process, without Prefect."""

    store: ArtefactStore
    outcomes: list[Outcome] = field(default_factory=list)

    def run(self, stage: Stage, jobs: Sequence[Job]) -> list[Ref]:
        """Carry out the jobs; outcomes are appended to ``outcomes``."""
        done = []
        with doing(stage.title, len(jobs)) as advance:
            for job in jobs:
                done.append(execute(stage, job, self.store))
                advance(1)
        self.outcomes.extend(done)
        return [outcome.ref for outcome in done]

    def account(self) -> list[Json]:
        """Return one entry per stage."""
        entries: dict[str, Json] = {}
        for outcome in self.outcomes:
            name = outcome.ref.stage
            entry = entries.setdefault(
                name, {"stage": name, "computed": 0, "cached": 0, "seconds": 0.0, "start": 0.0}
            )
            entry[outcome.status] += 1
            entry["seconds"] += outcome.seconds
        return list(entries.values())


@dataclass(frozen=True)
class PlannedJob:
    """What would happen to one job, and why."""

    job: Job
    state: State
    reasons: tuple[str, ...] = ()


@dataclass
class PlanExecutor:
    """Carries out nothing; notes for every job whether it is fresh and, if not, which ingredient changed."""

    store: ArtefactStore
    planned: list[PlannedJob] = field(default_factory=list)

    def run(self, stage: Stage, jobs: Sequence[Job]) -> list[Ref]:
        """Return known refs for fresh jobs and pending refs for the others."""
        refs = []
        for job in jobs:
            planned, ref = self._plan(job)
            self.planned.append(planned)
            refs.append(ref)
        return refs

    def account(self) -> list[Json]:
        """Return nothing: nothing was done."""
        return []

    def _plan(self, job: Job) -> tuple[PlannedJob, Ref]:
        last = self.store.last_ingredients(job)
        if not job.ready:
            reasons = changes(last, _as_before(last, job))
            state: State = "missing" if not last else "stale" if reasons else "waits"
            waits = sorted({ref.stage for ref in job.inputs.values() if not ref.known})
            return PlannedJob(job, state, (*reasons, f"waits for {', '.join(waits)}")), job.pending()
        try:
            done = lookup(job, self.store)
        except DamagedArtefact as damage:
            return PlannedJob(job, "stale", (f"damaged: {damage}",)), job.pending()
        if done is not None:
            return PlannedJob(job, "fresh"), done.ref
        if self.store.running(job):
            return PlannedJob(job, "running"), job.pending()
        reasons = changes(last, job.ingredients)
        return PlannedJob(
            job, "stale" if last else "missing", reasons or ("artefact deleted",) if last else ()
        ), (job.pending())


def _as_before(last: Json | None, job: Job) -> Json:
    """Return the ingredients of a job, with the inputs that are still to be made as they were the last time."""
    before = (last or {}).get("inputs", {})
    inputs = {
        name: ref.digest if ref.known else before.get(name, "pending") for name, ref in job.inputs.items()
    }
    return {**job.ingredients, "inputs": inputs}


def changes(last: Json | None, now: Json) -> tuple[str, ...]:
    """Say in words which ingredients differ between the last run and now.

    >>> changes({"version": 1, "params": {"alpha": 1}}, {"version": 1, "params": {"alpha": 2}})
    ('alpha: 1 -> 2',)
    """
    if not last:
        return ()
    reasons = []
    if last.get("version") != now.get("version"):
        reasons.append(f"stage version: {last.get('version')} -> {now.get('version')}")
    reasons += _differences(last.get("params", {}), now.get("params", {}), "")
    old, new = last.get("inputs", {}), now.get("inputs", {})
    changed = [name for name in new if name in old and old[name] != new[name]]
    reasons += [f"input {name}: {old[name][:8]} -> {new[name][:8]}" for name in changed[:3]]
    reasons += [f"{len(changed) - 3} more inputs changed"] if len(changed) > 3 else []
    added, removed = [n for n in new if n not in old], [n for n in old if n not in new]
    reasons += [f"new input {', '.join(added[:3])}{', ...' if len(added) > 3 else ''}"] if added else []
    reasons += (
        [f"input gone: {', '.join(removed[:3])}{', ...' if len(removed) > 3 else ''}"] if removed else []
    )
    return tuple(reasons)


def _differences(old: Json, new: Json, at: str) -> list[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        reasons = []
        for name in sorted({*old, *new}):
            where = f"{at}.{name}" if at else name
            if name not in old:
                reasons.append(f"{where}: new, {_short(new[name])}")
            elif name not in new:
                reasons.append(f"{where}: gone, was {_short(old[name])}")
            else:
                reasons += _differences(old[name], new[name], where)
        return reasons
    if old == new:
        return []
    if (
        isinstance(old, list)
        and isinstance(new, list)
        and (len(str(old)) > LONGEST or len(str(new)) > LONGEST)
    ):
        return _entries(old, new, at)
    return [f"{at}: {_short(old, new)} -> {_short(new, old)}"]


def _entries(old: list[Json], new: list[Json], at: str) -> list[str]:
    """Say how two long lists differ: their lengths, and the first entries that are not the same."""
    length = [f"{at}: {len(old)} -> {len(new)} entries"] if len(old) != len(new) else []
    different = [
        text
        for row, (before, after) in enumerate(zip(old, new, strict=False))
        for text in _differences(before, after, f"{at}[{row}]")
    ]
    more = [f"{at}: {len(different) - 2} more differences"] if len(different) > 3 else []
    return [*length, *(different[:2] if more else different), *more]


def _short(value: Json, other: Json = "") -> str:
    """Cut a long text around the first place where it differs from another."""
    text, beside = str(value), str(other)
    if len(text) <= LONGEST:
        return text
    same = next((at for at, (a, b) in enumerate(zip(text, beside, strict=False)) if a != b), len(beside))
    start = max(0, min(same - 16, len(text) - LONGEST)) if same > LONGEST - 16 else 0
    return (
        ("..." if start else "")
        + text[start : start + LONGEST]
        + ("..." if start + LONGEST < len(text) else "")
    )
