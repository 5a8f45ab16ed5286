"""Stage ``search``: one class's queries to a kNN backend, candidates back.

Classes are searched apart: an image that several of them find is a candidate of each (``choose_support``).
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from susx.config import ClassHints
from susx.encoder_id import EncoderId
from susx.images.retrieve.queries import Query, queries_for, reworded
from susx.images.retrieve.similarity import on_scale_of
from susx.pipeline import examples, pool, words
from susx.pipeline.build_plan import BuildPlan, Sentences
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.originals import IN_FILES
from susx.pipeline.outside import ENCODER, POOL
from susx.pipeline.parameters import Params
from susx.pipeline.retrieval import Retrieving, open_backend, retrieving
from susx.pipeline.stage import Stage
from susx.store import ArtefactStore, Job
from susx.types import Json

__all__ = ["FILE", "STAGE", "jobs", "run"]

FILE = "candidates.parquet"


_LIKE = "images like those provided"
"""In place of the sentence of a search by image."""


class _Params(Params):
    queries: tuple[Query, ...]
    aliases: dict[str, tuple[Query, ...]]
    """Queries by each alias of the class; which one is used, the stage ``words`` tells."""
    by_image: int
    """Images asked for that are like the examples of the class; 0 where there are none."""
    backend: Json
    """Identity of the index, list or service."""
    encoder: EncoderId
    licences: tuple[str, ...] = ()
    """Admitted licences; all where there are none."""

    def as_json(self) -> dict[str, Json]:
        """Return the values as a job holds them; what asks for nothing is no part of them."""
        return self.model_dump(mode="json", exclude=None if self.licences else {"licences"})


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job a class; its queries together ask for ``per_class`` times ``over_fetch`` images."""
    if "retrieve" not in plan.sources:
        return []
    profile, execution = plan.profile, retrieving(plan)
    asked = math.ceil(profile.per_class * profile.retrieval.over_fetch)
    shown = done.all(examples.STAGE) if plan.retrieval.takes_features else {}
    searches = []
    for name, sentences in plan.sentences.items():
        params = _Params(
            queries=_queries(plan, name, sentences), backend=plan.backend, encoder=plan.encoder,
            aliases={alias: _queries(plan, name, by_alias, alias) for alias, by_alias in plan.aliases.get(name, {}).items()},
            by_image=asked if name in shown else 0, licences=plan.retrieval.licence,
        )  # fmt: skip
        inputs = [
            *done.all(pool.STAGE).values(),
            *words.of_class(name, plan, done),
            *([shown[name]] if name in shown else []),
        ]
        searches.append(STAGE.job(plan, inputs, subject=name, params=params, execution=execution))
    return searches


def _queries(plan: BuildPlan, name: str, sentences: Sentences, alias: str | None = None) -> tuple[Query, ...]:
    profile, hints = plan.profile, plan.dataset.hints.get(name)
    if alias is not None and not plan.dataset.prompts.get(
        name
    ):  # sentences by hand are searched as they stand
        hints = (hints or ClassHints()).model_copy(update={"search_name": alias})
    return tuple(
        queries_for(
            name, sentences.images, hints, profile.per_class, over_fetch=profile.retrieval.over_fetch,
            max_sentences=profile.prompts.sentences, seed=profile.seed,
        )
    )  # fmt: skip


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``candidates.parquet``: the results of all queries of the class, and of its examples."""
    from susx.images.retrieve.backends import backend_settings, search
    from susx.images.retrieve.backends.capabilities import SearchesVectors
    from susx.images.retrieve.candidates import unique_candidates, write_candidates
    from susx.images.retrieve.fetcher import prepare_fetcher
    from susx.images.retrieve.licences import refuse_other_licences

    inputs, params = Artefacts.of(job), _Params.of(job)
    pooled, shown = inputs.find(pool.STAGE), inputs.find(examples.STAGE)
    queries, chosen = params.queries, words.read(store, inputs, job.subject)
    if chosen is not None:
        named = params.aliases.get(chosen.name, queries)
        queries = reworded(queries, chosen.sentences) if chosen.sentences else named
    settings = Retrieving.of(job)
    if backend_settings(settings.retrieval).links_alone:
        prepare_fetcher(settings.download)
    backend = open_backend(settings, store, pooled, params.backend, params.encoder)
    results_of = [candidate for results in search(backend, queries, params.licences) for candidate in results]
    if shown is not None and (vector := examples.features(store, shown).mean) is not None:
        query = dataclasses.replace(queries[0], text=_LIKE, prompt=_LIKE, wanted=params.by_image)
        assert isinstance(backend, SearchesVectors)
        like = backend.search_vectors([query], vector.numpy())[0]
        like = refuse_other_licences(
            [candidate for candidate in like if query.admits(candidate.caption)], params.licences
        )
        results_of += on_scale_of(results_of, like)
    candidates = unique_candidates(results_of)
    write_candidates(out / FILE, candidates)
    in_files = sum(one.path is not None and not one.refused for one in candidates)
    return {
        "queries": len(queries) + (shown is not None),
        "candidates": len(candidates),
        "repeated": len(results_of) - len(candidates),
        **({IN_FILES: in_files} if in_files else {}),
        **{f"{name} left out": 1 for name in getattr(backend, "left_out", ())},
        **Counter(one.refused for one in candidates if one.refused),
    }


STAGE = Stage("search", 4, run, "Search images", jobs, network=True, outside=(ENCODER, POOL))
