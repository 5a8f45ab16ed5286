"""Stage ``encode-images``: the decodable candidate images of one class to unit vectors."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from susx.config import EncoderConfig
from susx.stages.fetch import POOL_FEATURES
from susx.stages.images import read_rows
from susx.store import ArtefactStore, Job
from susx.types import Json

__all__ = ["FILE", "run"]

FILE = "images.safetensors"


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``images.safetensors``: ``image [support dim]``, one row per decodable image in the table's order."""
    from safetensors.torch import save_file

    from susx.features.encoder import load_encoder

    images = job.inputs["images"]
    ready = store.path(images, POOL_FEATURES)
    if ready.is_file():
        shutil.copyfile(ready, out / FILE)
        return {"images": sum(row.kept for row in read_rows(store, images))}
    paths = [store.path(images, row.file) for row in read_rows(store, images) if row.kept]
    encoder = load_encoder(EncoderConfig(**job.execution["encoder"]))
    tensors = {"image": encoder.encode_images(paths)}
    if job.params.get("patches"):
        tensors["patches"] = encoder.encode_patches(paths)
    save_file(tensors, out / FILE)
    return {"images": len(paths)}
