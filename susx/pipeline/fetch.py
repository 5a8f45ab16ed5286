"""Stage ``fetch``: the candidate images of one class, copied or downloaded, decoded once and measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from susx.images.retrieve.backends import Delivers, backend_settings
from susx.images.retrieve.backends.capabilities import GivesFeatures
from susx.pipeline import pool, search
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.images import write_image_rows
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.originals import Originals
from susx.pipeline.outside import ORIGINALS, POOL
from susx.pipeline.retrieval import (
    DownloadParams,
    Retrieving,
    download_params,
    downloads,
    open_backend,
    retrieving,
)
from susx.pipeline.stage import Stage
from susx.pipeline.value import keep
from susx.store import ArtefactStore, Job
from susx.types import Digest, Json

__all__ = ["STAGE", "jobs", "run"]


class _Params(DownloadParams):
    originals: dict[str, Digest] = Field(default_factory=dict)
    """Of candidates in files of this machine: what the files hold."""

    def as_json(self) -> dict[str, Json]:
        """Return the values as a job holds them; files are no part of them where there are none."""
        values = super().as_json()
        return (
            values
            if self.originals
            else {name: value for name, value in values.items() if name != "originals"}
        )


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job a class."""
    params = _Params.model_validate(download_params(plan).model_dump())
    execution, pooled = retrieving(plan), done.all(pool.STAGE).values()
    files = Originals(done.store, plan.dataset.name)
    fetches = []
    for name, candidates in done.all(search.STAGE).items():
        inputs = [candidates, *pooled]
        job = STAGE.job(plan, inputs, subject=name, params=params, execution=execution)
        if originals := files.of(candidates, search.FILE, job):
            with_files = params.model_copy(update={"originals": originals})
            job = STAGE.job(plan, inputs, subject=name, params=with_files, execution=execution)
        fetches.append(job)
    files.remember()
    return fetches


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``images/`` and ``rows.parquet``; a candidate that cannot be had or decoded is a row with its reason."""
    from susx.images.retrieve import fetch_images, read_candidates

    inputs, settings, params = Artefacts.of(job), Retrieving.of(job), _Params.of(job)
    pooled = inputs.find(pool.STAGE)
    candidates = read_candidates(store.path(inputs.one(search.STAGE), search.FILE))
    featured = Delivers.FEATURES in backend_settings(settings.retrieval).delivers
    rows = fetch_images(
        candidates, out, downloads(store), settings.download, model=params.encoder.model, pooled=featured
    )
    write_image_rows(out, rows)
    if featured:
        from susx.features.encoded import EncodedImages

        kept = [candidate for candidate, row in zip(candidates, rows, strict=True) if row.kept]
        pool_of = open_backend(settings, store, pooled, params.backend, params.encoder)
        assert isinstance(pool_of, GivesFeatures)
        keep(out, EncodedImages(pool_of.features(kept)))
    reasons = Counter(row.rejected for row in rows if not row.kept)
    return {"candidates": len(rows), "images": sum(row.kept for row in rows), **reasons}


STAGE = Stage("fetch", 4, run, "Fetch images", jobs, resumable=True, network=True, outside=(POOL, ORIGINALS))
