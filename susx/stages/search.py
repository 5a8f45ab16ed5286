"""Stage ``search``: one class's queries to a kNN backend, candidates back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from susx.images.retrieve.queries import Query, queries_for
from susx.stages import pool
from susx.stages.build_plan import BuildPlan
from susx.stages.done import Artefacts, Done
from susx.stages.parameters import EncoderKey, Params
from susx.stages.retrieval import Retrieving, open_backend, retrieving
from susx.stages.stage import Stage
from susx.store import ArtefactStore, Job
from susx.types import Json

if TYPE_CHECKING:
    from susx.images.retrieve.candidates import Candidate

__all__ = ["FILE", "STAGE", "jobs", "run"]

FILE = "candidates.parquet"


class _Params(Params):
    queries: tuple[Query, ...]
    backend: Json
    """Identity of the index, list or service."""
    encoder: EncoderKey


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job a class; its queries together ask for ``per_class`` times ``over_fetch`` images."""
    if "retrieve" not in plan.sources:
        return []
    profile, hints, execution = plan.profile, plan.dataset.hints, retrieving(plan)
    found = []
    for name, sentences in plan.sentences.items():
        queries = queries_for(
            name, sentences.images, hints.get(name), profile.per_class, over_fetch=profile.retrieval.over_fetch,
            max_sentences=profile.prompts.sentences, seed=profile.seed,
        )  # fmt: skip
        params = _Params(queries=tuple(queries), backend=plan.backend, encoder=plan.encoder)
        inputs = done.all(pool.STAGE).values()
        found.append(STAGE.job(plan, inputs, subject=name, params=params, execution=execution))
    return found


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``candidates.parquet``: the results of all queries of the class."""
    from susx.images.retrieve.backends import search
    from susx.images.retrieve.candidates import write_candidates

    pooled, queries = Artefacts.of(job).find(pool.STAGE), _Params.of(job).queries
    backend = open_backend(Retrieving.of(job), store, pooled)
    folder = store.folder(pooled) if pooled else None
    candidates = [
        _portable(candidate, folder) for results in search(backend, queries) for candidate in results
    ]
    write_candidates(out / FILE, candidates)
    return {"queries": len(queries), "candidates": len(candidates)}


def _portable(candidate: Candidate, folder: Path | None) -> Candidate:
    """Name an image of the pool relative to it, so that the artefact survives a move of the store."""
    if folder is None or candidate.path is None or not Path(candidate.path).is_relative_to(folder):
        return candidate
    return dataclasses.replace(candidate, path=Path(candidate.path).relative_to(folder).as_posix())


STAGE = Stage("search", 1, run, "Search images", jobs, network=True)
