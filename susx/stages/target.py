"""Stage ``target``: one labelled split of the target, encoded and hashed; only measured on, never built from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from susx.config import DatasetConfig, EncoderConfig
from susx.store import ArtefactStore, Job
from susx.types import Json

__all__ = ["FILE", "LABELS", "run"]

FILE = "target.safetensors"
LABELS = "labels.json"


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``target.safetensors`` (``image [query dim]``) and ``labels.json`` (class name, name and hash per image).

    Labels are stored as class names, so a reordered class list leaves the artefact as it is.
    """
    from safetensors.torch import save_file

    from susx.datasets import read_split
    from susx.features.encoder import load_encoder
    from susx.images.inspect import perceptual_hash

    dataset = DatasetConfig(**job.execution["dataset"])
    root = job.execution["data_root"]
    split = read_split(dataset, Path(root) if root else None, job.params["split"])
    if split is None:
        raise FileNotFoundError(f"the {job.params['split']} split of {dataset.name} went away")
    encoder = load_encoder(EncoderConfig(**job.execution["encoder"]))
    hashes: list[str] = []

    def hashed() -> object:
        for image in split.images():
            hashes.append(perceptual_hash(image))
            yield image

    tensors = {"image": encoder.encode_images(hashed())}  # type: ignore[arg-type]
    if job.params.get("patches"):
        tensors["patches"] = encoder.encode_patches(split.images())
    save_file(tensors, out / FILE)
    labels = [dataset.classes[label] for label in split.labels]
    data = {"labels": labels, "names": split.names, "phash": hashes}
    (out / LABELS).write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return {"images": len(labels)}
