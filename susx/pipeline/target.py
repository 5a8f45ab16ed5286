"""Stage ``target``: one labelled split of the target, encoded and hashed; only measured on, never built from."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from susx.config import DatasetConfig
from susx.datasets import TargetSplit
from susx.encoder_id import EncoderId
from susx.errors import SourceChanged
from susx.experiment import adapters_of, needs_of
from susx.methods import Need
from susx.methods.base import VIEWS
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.inputs import Done
from susx.pipeline.outside import ENCODER, TARGET
from susx.pipeline.parameters import AdaptedEncoding, Params
from susx.pipeline.split_identity import by_name
from susx.pipeline.stage import Stage
from susx.pipeline.value import keep, load
from susx.store import ArtefactStore, Job, Ref
from susx.store.disk import Facts, facts_of
from susx.types import Digest, Json

if TYPE_CHECKING:
    from susx.datasets.encoded_split import EncodedSplit

__all__ = ["STAGE", "jobs", "read", "run"]

logger = logging.getLogger(__name__)


class _Params(Params):
    adapters: Digest | None
    """Of the adapters that a method asks for."""
    split: Literal["val", "test"]
    content: Json
    """Identity of the split's images."""
    encoder: EncoderId
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
    splits = []
    for split, content in plan.splits.items():
        params = _Params(
            split=split, content=content, encoder=plan.encoder, patches=patches,
            adapters=adapters.digest if adapters else None, views=VIEWS if Need.VIEWS in needs_of(plan.trials) else 0,
        )  # fmt: skip
        splits.append(STAGE.job(plan, subject=split, params=params, execution=execution))
    return splits


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write the :class:`~susx.datasets.encoded_split.EncodedSplit`, in the order of names.

    An image that cannot be decoded is left out, counted and named.

    Raises:
        SourceChanged: an image was written to while they were read.
        InputError: more than ``MOST_UNREADABLE`` of the split cannot be decoded.
    """
    from susx.datasets import read_split
    from susx.datasets.encoded_split import encode_split
    from susx.features.encoder import load_encoder
    from susx.images.inspect import perceptual_hash
    from susx.methods.adapters import read_adapters

    params, reading = _Params.of(job), _Reading.of(job)
    dataset = reading.dataset
    split = read_split(dataset, reading.data_root, params.split)
    if split is None:
        raise FileNotFoundError(f"the {params.split} split of {dataset.name} went away")
    split = by_name(split)
    before = _facts(split)
    encoded = encode_split(
        load_encoder(reading.encoder), split, dataset.classes, perceptual_hash, patches=params.patches, views=params.views,
        adapters=read_adapters(Path(reading.adapters), params.adapters) if params.adapters else None,
    )  # fmt: skip
    if _facts(split) != before:  # also where size and time are as they were
        raise SourceChanged.of(TARGET.what, job.stage, job.subject)
    keep(out, encoded)
    for name, reason in encoded.unreadable.items():
        logger.warning("%s %s: the image %s is left out: %s", dataset.name, params.split, name, reason)
    counts = {"images": len(encoded)}
    return counts | ({"unreadable": len(encoded.unreadable)} if encoded.unreadable else {})


def _facts(split: TargetSplit) -> list[Facts | None]:
    """Return what changes when a file of the split is written."""
    files = dict.fromkeys(split.paths)
    return [facts_of(path) if path is not None and path.exists() else None for path in files]


def read(store: ArtefactStore, ref: Ref) -> EncodedSplit:
    """Return the split as it was measured on."""
    from susx.datasets.encoded_split import EncodedSplit

    return load(store, ref, EncodedSplit)


STAGE = Stage("target", 4, run, "Encode the target's images", jobs, device=True, outside=(ENCODER, TARGET))
