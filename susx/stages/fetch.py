"""Stage ``fetch``: the candidate images of one class, copied or downloaded, decoded once and measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from susx.config import DownloadConfig
from susx.stages.images import write_rows
from susx.store import ArtefactStore, Job
from susx.types import Json

__all__ = ["POOL_FEATURES", "downloads", "run"]

POOL_FEATURES = "features.safetensors"
"""Features that came in place of images (backend ``features``)."""


def downloads(store: ArtefactStore) -> Path:
    """Return the folder of downloads, which outlives runs: no image is fetched twice."""
    return store.root / "downloads"


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``images/`` and ``rows.jsonl``; a candidate that cannot be had or decoded is a row with its reason."""
    from susx.images.retrieve import materialise, read_candidates

    candidates = read_candidates(store.path(job.inputs["candidates"]))
    base = store.folder(job.inputs["pool"]) if "pool" in job.inputs else None
    config = DownloadConfig(**job.execution["download"])
    rows = materialise(
        candidates, out, downloads(store), config, base=base, model=job.params["encoder"]["model"]
    )
    write_rows(out, rows)
    if job.execution["retrieval"]["backend"] == "features":
        from safetensors.torch import save_file

        from susx.stages.search import backend_of

        kept = [candidate for candidate, row in zip(candidates, rows, strict=True) if row.kept]
        save_file({"image": backend_of(job, store).features(kept)}, out / POOL_FEATURES)
    reasons = Counter(row.rejected for row in rows if not row.kept)
    return {"candidates": len(rows), "images": sum(row.kept for row in rows), **reasons}
