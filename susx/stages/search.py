"""Stage ``search``: one class's queries to a kNN backend, candidates back."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from susx.config import DownloadConfig, EncoderConfig, RetrievalConfig
from susx.stages.fetch import downloads
from susx.store import ArtefactStore, Job
from susx.types import Json

if TYPE_CHECKING:
    from susx.images.retrieve.backends import Backend
    from susx.images.retrieve.candidates import Candidate

__all__ = ["FILE", "backend_of", "run"]

FILE = "candidates.parquet"


def backend_of(job: Job, store: ArtefactStore) -> Any:
    """Return the open backend of a job; it is opened once a process, so that no index is read once a class."""
    return _backend(
        RetrievalConfig(**job.execution["retrieval"]), DownloadConfig(**job.execution["download"]),
        EncoderConfig(**job.execution["encoder"]), store.folder(job.inputs["pool"]) if "pool" in job.inputs else None,
        downloads(store),
    )  # fmt: skip


@functools.lru_cache(maxsize=2)
def _backend(
    config: RetrievalConfig, download: DownloadConfig, encoder: EncoderConfig, pool: Path | None, work: Path
) -> Backend:
    from susx.features.encoder import load_encoder
    from susx.images.retrieve.backends import open_backend

    return open_backend(config, load_encoder(encoder), download=download, pool=pool, work=work)


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``candidates.parquet``: the results of all queries of the class."""
    from susx.images.retrieve.backends import search
    from susx.images.retrieve.candidates import write_candidates
    from susx.images.retrieve.queries import Query

    pool = store.folder(job.inputs["pool"]) if "pool" in job.inputs else None
    backend = backend_of(job, store)
    queries = [Query(**{**query, "exclude": tuple(query["exclude"])}) for query in job.params["queries"]]
    found = [_portable(candidate, pool) for results in search(backend, queries) for candidate in results]
    write_candidates(out / FILE, found)
    return {"queries": len(queries), "candidates": len(found)}


def _portable(candidate: Candidate, pool: Path | None) -> Candidate:
    """Name an image of the pool relative to it, so that the artefact survives a move of the store."""
    if pool is None or candidate.path is None or not Path(candidate.path).is_relative_to(pool):
        return candidate
    return dataclasses.replace(candidate, path=Path(candidate.path).relative_to(pool).as_posix())
