"""Stage ``encode-images``: the decodable candidate images of one class and source to unit vectors."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from susx.experiment import adapters_of, needs_of
from susx.methods import Need
from susx.pipeline import examples, fetch, generate, labelled
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.images import FEATURES, read_image_rows
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.outside import ENCODER
from susx.pipeline.parameters import AdaptedEncoding, EncoderKey, Params
from susx.pipeline.stage import Stage
from susx.store import ArtefactStore, Job, Ref
from susx.types import Digest, Json

__all__ = ["FILE", "STAGE", "image_sets", "jobs", "run"]

FILE = "images.safetensors"


class _Params(Params):
    adapters: Digest | None
    """Of the adapters that a method asks for."""
    encoder: EncoderKey
    patches: bool
    """Whether a method looks at the grid of patch features too."""


def image_sets(artefacts: Artefacts) -> Mapping[str, Ref]:
    """Return the images of each source and class under the subject of their features, in a fixed order."""
    made = (examples.STAGE, labelled.STAGE, generate.STAGE, fetch.STAGE)
    sources = [artefacts.all(stage) for stage in made]
    return {source[name].name: source[name] for source in sources for name in sorted(source)}


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job a source and class."""
    adapters = adapters_of(plan.trials)
    params = _Params(
        encoder=plan.encoder, patches=Need.PATCHES in needs_of(plan.trials),
        adapters=adapters.digest if adapters else None,
    )  # fmt: skip
    execution = AdaptedEncoding(encoder=plan.profile.encoder, adapters=adapters.path if adapters else "")
    return [
        STAGE.job(plan, [images], subject=name, params=params, execution=execution)
        for name, images in image_sets(done).items()
    ]


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``images.safetensors``: ``image [support dim]``, one row per decodable image in the table's order, and ``patches``
    and ``adapted`` where a method asks for them."""
    from safetensors.torch import save_file

    from susx.features.adapted import encode_adapted
    from susx.features.encoder import load_encoder
    from susx.methods.adapters import read_adapters

    (images,) = image_sets(Artefacts.of(job)).values()
    ready = store.path(images, FEATURES)
    if ready.is_file():
        shutil.copyfile(ready, out / FILE)
        return {"images": sum(row.kept for row in read_image_rows(store, images))}
    paths = [store.path(images, row.file) for row in read_image_rows(store, images) if row.kept]
    params, how = _Params.of(job), AdaptedEncoding.of(job)
    encoder = load_encoder(how.encoder)
    tensors = {"image": encoder.encode_images(paths)}
    if params.patches:
        tensors["patches"] = encoder.encode_patches(paths)
    if params.adapters:
        tensors["adapted"] = encode_adapted(
            encoder, read_adapters(Path(how.adapters), params.adapters), paths
        )
    save_file(tensors, out / FILE)
    return {"images": len(paths)}


STAGE = Stage("encode-images", 1, run, "Encode images", jobs, device=True, outside=(ENCODER,))
