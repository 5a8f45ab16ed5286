"""Stage ``examples``: the images that a class brings of its own, decoded, measured, and encoded to search by."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from susx.config import DownloadConfig
from susx.encoder_id import EncoderId
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.images import write_image_rows
from susx.pipeline.inputs import Done
from susx.pipeline.outside import ENCODER, EXAMPLES
from susx.pipeline.parameters import Encoding, Params
from susx.pipeline.stage import Stage
from susx.pipeline.value import keep, load
from susx.store import ArtefactStore, Job, Ref
from susx.types import Digest, Json

if TYPE_CHECKING:
    from susx.features.encoded import EncodedImages

__all__ = ["STAGE", "features", "jobs", "run"]


class _Params(Params):
    files: dict[str, Digest]
    """File, relative to the folder of examples -> sha256."""
    image_size: int
    encoder: EncoderId


class _Reading(Encoding):
    folder: Path


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job a class that has examples."""
    if not plan.examples or plan.dataset.examples is None:
        return []
    execution = _Reading(encoder=plan.profile.encoder, folder=Path(plan.dataset.examples))
    return [
        STAGE.job(
            plan,
            subject=name,
            params=_Params(
                files=dict(files),
                image_size=plan.profile.download.image_size,
                encoder=plan.encoder,
            ),
            execution=execution,
        )
        for name, files in plan.examples.items()
    ]


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``images/``, ``rows.parquet`` and features to search by; a file that cannot be decoded is a row with its reason."""
    from susx.features.encoded import encode
    from susx.features.encoder import load_encoder
    from susx.image_files import LOCAL
    from susx.images.retrieve import Candidate, fetch_images

    params, reading = _Params.of(job), _Reading.of(job)
    candidates = [
        Candidate(job.subject, "", "", name, 1.0, path=str(reading.folder / name)) for name in params.files
    ]
    limits = DownloadConfig(
        image_size=params.image_size, max_bytes=LOCAL.max_bytes, max_pixels=LOCAL.max_pixels
    )
    rows = [
        # Below the folder: where that lies is no ingredient.
        dataclasses.replace(row, origin="provided", similarity=None, path=name)
        for name, row in zip(params.files, fetch_images(candidates, out, out, limits), strict=True)
    ]
    write_image_rows(out, rows)
    paths = [out / row.file for row in rows if row.kept]
    keep(out, encode(load_encoder(reading.encoder), lambda: paths))
    return {"images": len(paths), "unreadable": len(rows) - len(paths)}


def features(store: ArtefactStore, ref: Ref) -> EncodedImages:
    """Return the features of a class's examples, to search by."""
    from susx.features.encoded import EncodedImages

    return load(store, ref, EncodedImages)


STAGE = Stage("examples", 3, run, "Read example images", jobs, device=True, outside=(ENCODER, EXAMPLES))
"""One job a class; it reads the folder that the data set's ``examples`` names."""
