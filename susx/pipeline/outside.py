"""What a stage reads from outside the store: looked at again before an artefact is kept under the key that names it.

A plan fingerprints weights, indices, examples and labelled images; the stages read them later, perhaps hours later. What changed in
between must not be stored under the fingerprint of before: no later build would notice.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from susx.config import DatasetConfig, EncoderConfig, GenerationConfig, RetrievalConfig
from susx.errors import SourceChanged, SusxError
from susx.store import Job, digest_file
from susx.types import Json

__all__ = ["ENCODER", "EXAMPLES", "GENERATOR", "ORIGINALS", "POOL", "TARGET", "Outside", "check_unchanged"]


@dataclass(frozen=True)
class Outside:
    """One thing outside the store.

    Attributes:
        what: what people call it.
        planned: what a job's key says of it; None where this job reads none.
        now: what it is now.
    """

    what: str
    planned: Callable[[Job], Json]
    now: Callable[[Job], Json]


def check_unchanged(job: Job, outside: tuple[Outside, ...]) -> None:
    """Refuse to go on where something is no longer what the job's key says.

    Raises:
        SourceChanged: names it.
    """
    for source in outside:
        planned = source.planned(job)
        if planned is None:
            continue
        try:
            now = source.now(job)
        except (OSError, SusxError) as error:
            raise SourceChanged.of(source.what, job.stage, job.subject, str(error)) from error
        if _plain(planned) != _plain(now):
            raise SourceChanged.of(source.what, job.stage, job.subject)


def _plain(value: Json) -> str:
    return json.dumps(value, sort_keys=True)


def _encoder(job: Job) -> Json:
    from susx.features.identity import identify_encoder

    return identify_encoder(EncoderConfig.model_validate(job.execution["encoder"])).id.as_json()


def _pool(job: Job) -> Json:
    from susx.features.identity import identify_encoder
    from susx.images.retrieve.backends import backend_settings

    config = RetrievalConfig.model_validate(job.execution["retrieval"])
    encoder = identify_encoder(EncoderConfig.model_validate(job.execution["encoder"])).id
    return backend_settings(config).identity(encoder)


def _generator(job: Job) -> Json:
    from susx.pipeline.generator_identity import identify_generator

    return identify_generator(GenerationConfig.model_validate(job.execution["generation"]))


def _examples(job: Job) -> Json:
    folder = Path(str(job.execution["folder"]))
    return {name: digest_file(folder / name) for name in job.params["files"]}


def _originals(job: Job) -> Json:
    from susx.pipeline.originals import content_now

    return content_now(job.params["originals"])


def _target(job: Job) -> Json:
    from susx.datasets import read_split
    from susx.pipeline.split_identity import split_identity

    dataset, root = DatasetConfig.model_validate(job.execution["dataset"]), job.execution["data_root"]
    split: Any = read_split(dataset, Path(root) if root else None, job.params["split"])
    return None if split is None else split_identity(dataset, split)


def _encoder_planned(job: Job) -> Json:
    return job.params["encoder"] if "encoder" in job.params else job.execution["identity"]


ENCODER = Outside("the encoder's weights", _encoder_planned, _encoder)
POOL = Outside("the index, list or pool of images", lambda job: job.params.get("backend"), _pool)
GENERATOR = Outside("the diffusion model", lambda job: job.params["model"], _generator)
EXAMPLES = Outside("an example image", lambda job: job.params["files"], _examples)
ORIGINALS = Outside("a picture that the index names", lambda job: job.params.get("originals"), _originals)
TARGET = Outside("the target's labelled images", lambda job: job.params["content"], _target)
