"""Stage ``encode-images``: the decodable candidate images of one class and source to unit vectors."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from susx.encoder_id import EncoderId
from susx.experiment import adapters_of, needs_of
from susx.methods import Need
from susx.pipeline import examples, fetch, generate, labelled
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.images import read_image_rows
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.outside import ENCODER
from susx.pipeline.parameters import AdaptedEncoding, Params
from susx.pipeline.stage import Stage
from susx.pipeline.value import VALUE, keep, load
from susx.records import SupportRow
from susx.store import ArtefactStore, Job, Ref
from susx.store.image_rows import ImageRows
from susx.types import Digest, Json

if TYPE_CHECKING:
    from susx.features.encoded import EncodedImages

__all__ = ["STAGE", "image_sets", "jobs", "read", "run"]


class _Params(Params):
    adapters: Digest | None
    """Of the adapters that a method asks for."""
    encoder: EncoderId
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
    """Write the :class:`~susx.features.encoded.EncodedImages` of the decodable images, in the order of the table.

    Features that came with the images are taken over where they hold all that methods ask for, or where there is nothing to encode; those that
    the store has of the same file are not made again.
    """
    from susx.features.encoded import encode
    from susx.features.encoder import load_encoder
    from susx.methods.adapters import read_adapters

    params, how = _Params.of(job), AdaptedEncoding.of(job)
    (images,) = image_sets(Artefacts.of(job)).values()
    rows = [row for row in read_image_rows(store, images) if row.kept]
    if store.path(images, VALUE).is_file() and (
        not (params.patches or params.adapters) or not any(row.file for row in rows)
    ):
        shutil.copyfile(store.path(images, VALUE), out / VALUE)
        return {"images": len(rows)}
    paths = [store.path(images, row.file) for row in rows]
    if paths and not (params.patches or params.adapters):
        pooled = _pooled(store, images, rows, params, how)
        keep(out, pooled)
        return {"images": len(pooled)}
    adapters = read_adapters(Path(how.adapters), params.adapters) if params.adapters else None
    encoded: EncodedImages = encode(
        load_encoder(how.encoder), lambda: paths, patches=params.patches, adapters=adapters
    )
    keep(out, encoded)
    return {"images": len(encoded)}


def _pooled(
    store: ArtefactStore, images: Ref, rows: Sequence[SupportRow], params: _Params, how: AdaptedEncoding
) -> EncodedImages:
    """Return unit rows: those that the store has of a file's content, the others encoded."""
    import torch

    from susx.features.encoded import EncodedImages
    from susx.features.encoder import load_encoder

    manifest = store.manifest(images.stage, images.key)
    content = manifest.files if manifest else {}
    digests = [content.get(row.file, row.digest) for row in rows]
    there = ImageRows(store, params.encoder).look(digests)
    if there.present.all():
        return EncodedImages(torch.from_numpy(there.rows))
    unseen = [
        store.path(images, row.file)
        for row, is_known in zip(rows, there.present, strict=True)
        if not is_known
    ]
    encoded = load_encoder(how.encoder).encode_images(unseen)
    if len(unseen) == len(rows):
        return EncodedImages(encoded)
    pooled = torch.from_numpy(there.rows)
    pooled[~torch.from_numpy(there.present)] = encoded
    return EncodedImages(pooled)


def read(store: ArtefactStore, ref: Ref) -> EncodedImages:
    """Return the features of one class and source."""
    from susx.features.encoded import EncodedImages

    return load(store, ref, EncodedImages)


STAGE = Stage("encode-images", 2, run, "Encode images", jobs, device=True, outside=(ENCODER,))
