"""Stage ``labelled``: images of a labelled folder as the support of a class, those that a person said and the surest of the rest."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from susx.config import DownloadConfig
from susx.encoder_id import EncoderId
from susx.experiment import adapters_of, needs_of
from susx.methods import Need
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.images import write_image_rows
from susx.pipeline.inputs import Done
from susx.pipeline.parameters import Execution, Params
from susx.pipeline.stage import Stage
from susx.pipeline.value import keep
from susx.store import ArtefactStore, Job
from susx.types import Digest, Json

__all__ = ["STAGE", "jobs", "run"]


class _Params(Params):
    by_people: tuple[Digest, ...]
    """Of photographs whose label a person said."""
    sure: tuple[Digest, ...]
    """Of those that were labelled with the highest probability."""
    image_size: int
    encoder: EncoderId
    features: bool
    """Whether the store's features will do: no method asks for others of the same images."""


class _Reading(Execution):
    files: dict[Digest, str]


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job a class that the folder holds."""
    features = Need.PATCHES not in needs_of(plan.trials) and adapters_of(plan.trials) is None
    return [
        STAGE.job(
            plan, subject=name, execution=_Reading(files={**of.by_people, **of.sure}),
            params=_Params(
                by_people=tuple(sorted(of.by_people)), sure=tuple(sorted(of.sure)), encoder=plan.encoder,
                image_size=plan.profile.download.image_size, features=features,
            ),
        )
        for name, of in plan.labelled.items()
    ]  # fmt: skip


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``images/`` and ``rows.parquet``, and the features where the store has them: nothing is encoded twice.

    A label that nobody looked at is a guess, and its image counts as one that was retrieved does: no method may take it for a person's.

    Raises:
        InputError: a photograph changed or went away since it was labelled.
    """
    import torch

    from susx.errors import InputError
    from susx.features.encoded import EncodedImages
    from susx.image_files import LOCAL
    from susx.images.retrieve import Candidate, fetch_images
    from susx.store import digest_file
    from susx.store.image_rows import ImageRows

    params, files = _Params.of(job), _Reading.of(job).files
    digests = [*params.by_people, *params.sure]
    for digest in digests:
        path = Path(files[digest])
        if not path.is_file() or digest_file(path) != digest:
            raise InputError(
                f"{path} changed or went away since it was labelled as '{job.subject}'. Label the folder again."
            )
    candidates = [Candidate(job.subject, "", "", digest, 1.0, path=files[digest]) for digest in digests]
    limits = DownloadConfig(
        image_size=params.image_size, max_bytes=LOCAL.max_bytes, max_pixels=LOCAL.max_pixels
    )
    by_people = set(params.by_people)
    rows = [
        dataclasses.replace(
            row, similarity=None, origin="provided" if digest in by_people else "predicted",
            caption="said by a person" if digest in by_people else "labelled by susx",
        )
        for digest, row in zip(digests, fetch_images(candidates, out, out, limits), strict=True)
    ]  # fmt: skip
    write_image_rows(out, rows)
    kept = [digest for digest, row in zip(digests, rows, strict=True) if row.kept]
    encoded = ImageRows(store, params.encoder).look(kept)
    if params.features and kept and encoded.present.all():
        keep(out, EncodedImages(torch.from_numpy(encoded.rows)))
    return {"images": len(kept), "by_people": len(by_people), "encoded before": int(encoded.present.sum())}


STAGE = Stage("labelled", 4, run, "Take images of the labelled folder", jobs)
