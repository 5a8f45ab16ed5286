"""Stage ``target``: one labelled split of the target, encoded and hashed; only measured on, never built from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from susx.config import DatasetConfig
from susx.experiment import needs_of
from susx.methods import Need
from susx.stages.build_plan import BuildPlan
from susx.stages.done import Done
from susx.stages.parameters import EncoderKey, Encoding, Params
from susx.stages.stage import Stage
from susx.store import ArtefactStore, Job
from susx.types import Json

__all__ = ["FILE", "LABELS", "STAGE", "jobs", "run"]

FILE = "target.safetensors"
LABELS = "labels.json"


class _Params(Params):
    split: Literal["val", "test"]
    content: Json
    """Identity of the split's images."""
    encoder: EncoderKey
    patches: bool
    """Whether a method looks at the grid of patch features too."""


class _Reading(Encoding):
    dataset: DatasetConfig
    data_root: Path | None


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job a split that is there and measured on."""
    execution = _Reading(encoder=plan.profile.encoder, dataset=plan.dataset, data_root=plan.data_root)
    patches = Need.PATCHES in needs_of(plan.trials)
    found = []
    for split, content in plan.splits.items():
        params = _Params(split=split, content=content, encoder=plan.encoder, patches=patches)
        found.append(STAGE.job(plan, subject=split, params=params, execution=execution))
    return found


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``target.safetensors`` (``image [query dim]``) and ``labels.json`` (class name, name and hash per image).

    Labels are stored as class names, so a reordered class list leaves the artefact as it is.
    """
    from safetensors.torch import save_file

    from susx.datasets import read_split
    from susx.features.encoder import load_encoder
    from susx.images.inspect import perceptual_hash

    params, reading = _Params.of(job), _Reading.of(job)
    dataset = reading.dataset
    split = read_split(dataset, reading.data_root, params.split)
    if split is None:
        raise FileNotFoundError(f"the {params.split} split of {dataset.name} went away")
    encoder = load_encoder(reading.encoder)
    hashes: list[str] = []

    def hashed() -> object:
        for image in split.images():
            hashes.append(perceptual_hash(image))
            yield image

    tensors = {"image": encoder.encode_images(hashed())}  # type: ignore[arg-type]
    if params.patches:
        tensors["patches"] = encoder.encode_patches(split.images())
    save_file(tensors, out / FILE)
    labels = [dataset.classes[label] for label in split.labels]
    data = {"labels": labels, "names": split.names, "phash": hashes}
    (out / LABELS).write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return {"images": len(labels)}


STAGE = Stage("target", 1, run, "Encode the target's images", jobs, device=True)
