"""Stage ``target``: one labelled split of the target, encoded and hashed; only measured on, never built from."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, TypedDict

from PIL import Image

from susx.config import DatasetConfig
from susx.datasets import TargetSplit
from susx.errors import SourceChanged
from susx.experiment import adapters_of, needs_of
from susx.methods import Need
from susx.methods.base import VIEWS
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.inputs import Done
from susx.pipeline.outside import ENCODER, TARGET
from susx.pipeline.parameters import AdaptedEncoding, EncoderKey, Params
from susx.pipeline.split_identity import by_name
from susx.pipeline.stage import Stage
from susx.store import ArtefactStore, Job, Ref
from susx.store.disk import Facts, facts_of
from susx.types import Digest, Json

__all__ = ["FILE", "STAGE", "Labels", "jobs", "read_labels", "run"]

logger = logging.getLogger(__name__)

FILE = "target.safetensors"
_LABELS = "labels.json"


class Labels(TypedDict):
    """What is known of the images of a split besides their features, one entry an image that could be decoded."""

    labels: list[str]
    """Class names."""
    names: list[str]
    phash: list[str]
    unreadable: dict[str, str]
    """Name -> reason of the images that are left out."""


class _Params(Params):
    adapters: Digest | None
    """Of the adapters that a method asks for."""
    split: Literal["val", "test"]
    content: Json
    """Identity of the split's images."""
    encoder: EncoderKey
    patches: bool
    """Whether a method looks at the grid of patch features too."""
    views: int = 0
    """How many views of every image a method looks at; none is no ingredient, so that targets encoded before there were views stay."""

    def as_json(self) -> dict[str, Json]:
        """Return the values as a job holds them."""
        values = super().as_json()
        return values if self.views else {name: value for name, value in values.items() if name != "views"}


class _Reading(AdaptedEncoding):
    dataset: DatasetConfig
    data_root: Path | None


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job a split that is there and measured on."""
    adapters = adapters_of(plan.trials)
    execution = _Reading(
        encoder=plan.profile.encoder, dataset=plan.dataset, data_root=plan.data_root,
        adapters=adapters.path if adapters else "",
    )  # fmt: skip
    patches = Need.PATCHES in needs_of(plan.trials)
    found = []
    for split, content in plan.splits.items():
        params = _Params(
            split=split, content=content, encoder=plan.encoder, patches=patches,
            adapters=adapters.digest if adapters else None, views=VIEWS if Need.VIEWS in needs_of(plan.trials) else 0,
        )  # fmt: skip
        found.append(STAGE.job(plan, subject=split, params=params, execution=execution))
    return found


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``target.safetensors`` (``image [query dim]``) and ``labels.json`` (class name, name and hash per image), in the order of names.

    An image that cannot be decoded is left out, counted and named. Labels are stored as class names, so a reordered class list leaves the artefact as it is.

    Raises:
        SourceChanged: an image was written to while they were read.
        InputError: more than ``MOST_UNREADABLE`` of the split cannot be decoded.
    """
    from safetensors.torch import save_file

    from susx.datasets import ReadableImages, read_split
    from susx.features.adapted import encode_adapted
    from susx.features.encoder import load_encoder
    from susx.features.views import encode_views
    from susx.images.inspect import perceptual_hash
    from susx.methods.adapters import read_adapters

    params, reading = _Params.of(job), _Reading.of(job)
    dataset = reading.dataset
    split = read_split(dataset, reading.data_root, params.split)
    if split is None:
        raise FileNotFoundError(f"the {params.split} split of {dataset.name} went away")
    split = by_name(split)
    before = _facts(split)
    encoder = load_encoder(reading.encoder)
    hashes: list[str] = []
    readable = ReadableImages(split)

    def hashed() -> Iterator[Image.Image]:
        for image in readable:
            hashes.append(perceptual_hash(image))
            yield image

    tensors = {"image": encoder.encode_images(hashed())}
    if params.patches:
        tensors["patches"] = encoder.encode_patches(split.image(place) for place in readable.places)
    if params.adapters:
        pictures = (split.image(place) for place in readable.places)
        tensors["adapted"] = encode_adapted(
            encoder, read_adapters(Path(reading.adapters), params.adapters), pictures
        )
    if params.views:
        pictures = (split.image(place) for place in readable.places)
        tensors["views"] = encode_views(encoder, pictures, params.views)
    if _facts(split) != before:  # also where size and time are as they were
        raise SourceChanged.of(TARGET.what, job.stage, job.subject)
    save_file(tensors, out / FILE)
    labels = Labels(
        labels=[dataset.classes[split.labels[place]] for place in readable.places],
        names=[split.names[place] for place in readable.places], phash=hashes, unreadable=readable.unreadable,
    )  # fmt: skip
    (out / _LABELS).write_text(json.dumps(labels, ensure_ascii=False), encoding="utf-8")
    for name, reason in readable.unreadable.items():
        logger.warning("%s %s: the image %s is left out: %s", dataset.name, params.split, name, reason)
    counts = {"images": len(hashes)}
    return counts | ({"unreadable": len(readable.unreadable)} if readable.unreadable else {})


def _facts(split: TargetSplit) -> list[Facts | None]:
    """Return what changes when a file of the split is written."""
    files = dict.fromkeys(split.paths)
    return [facts_of(path) if path is not None and path.exists() else None for path in files]


def read_labels(store: ArtefactStore, ref: Ref) -> Labels:
    """Return what is known of the images of a split besides their features."""
    labels: Labels = json.loads(store.path(ref, _LABELS).read_text(encoding="utf-8"))
    return labels


STAGE = Stage("target", 3, run, "Encode the target's images", jobs, device=True, outside=(ENCODER, TARGET))
