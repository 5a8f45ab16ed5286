"""Stage ``fetch``: the candidate images of one class, copied or downloaded, decoded once and measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from susx.images.retrieve.backends import Delivers, backend_settings
from susx.images.retrieve.backends.capabilities import GivesFeatures
from susx.pipeline import pool, search
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.images import write_image_rows
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.outside import POOL
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
from susx.types import Json

__all__ = ["STAGE", "jobs", "run"]


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job a class."""
    params, execution, pooled = download_params(plan), retrieving(plan), done.all(pool.STAGE).values()
    return [
        STAGE.job(plan, [candidates, *pooled], subject=name, params=params, execution=execution)
        for name, candidates in done.all(search.STAGE).items()
    ]


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``images/`` and ``rows.parquet``; a candidate that cannot be had or decoded is a row with its reason."""
    from susx.images.retrieve import fetch_images, read_candidates

    inputs, settings, params = Artefacts.of(job), Retrieving.of(job), DownloadParams.of(job)
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


STAGE = Stage("fetch", 4, run, "Fetch images", jobs, resumable=True, network=True, outside=(POOL,))
