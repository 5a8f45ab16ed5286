"""Artefacts by the stage that made them: the inputs of a job, and what a build has made so far."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.store import ArtefactStore, Job, Ref
from susx.types import Json

if TYPE_CHECKING:
    from susx.pipeline.stage import Stage

__all__ = ["Artefacts", "Done"]


@dataclass(frozen=True)
class Artefacts:
    """Artefacts, found by stage and subject."""

    refs: tuple[Ref, ...] = ()

    @classmethod
    def of(cls, job: Job) -> Artefacts:
        """Return the inputs of a job."""
        return Artefacts(tuple(job.inputs.values()))

    @functools.cached_property
    def _by_stage(self) -> Mapping[str, Mapping[str, Ref]]:
        stages: dict[str, dict[str, Ref]] = {}
        for ref in self.refs:
            stages.setdefault(ref.stage, {})[ref.subject] = ref
        return stages

    def all(self, stage: Stage) -> Mapping[str, Ref]:
        """Return subject -> artefact of a stage, empty where it had nothing to do."""
        return self._by_stage.get(stage.name, {})

    def find(self, stage: Stage) -> Ref | None:
        """Return the artefact of a stage that makes one, None where it had nothing to do.

        Raises:
            LookupError: there are several.
        """
        refs = [*self.all(stage).values()]
        if len(refs) > 1:
            raise LookupError(f"One artefact of '{stage.name}' was expected; there are {len(refs)}.")
        return refs[0] if refs else None

    def one(self, stage: Stage) -> Ref:
        """Return the only artefact of a stage.

        Raises:
            LookupError: there is none, or there are several.
        """
        ref = self.find(stage)
        if ref is None:
            raise LookupError(f"An artefact of '{stage.name}' was expected; there is none.")
        return ref


@dataclass(frozen=True)
class Done(Artefacts):
    """What a build has made so far.

    Attributes:
        store: where it lies.
        account: tells what each stage did so far, for the report.
    """

    store: ArtefactStore = dataclasses.field(kw_only=True)
    account: Callable[[], list[Json]] = dataclasses.field(kw_only=True)

    def plus(self, refs: Iterable[Ref]) -> Done:
        """Return this and more."""
        return dataclasses.replace(self, refs=(*self.refs, *refs))
