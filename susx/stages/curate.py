"""Stage ``curate``: from the candidates of all classes to the support set, every rejection with its reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from susx.config import CurationConfig, EncoderConfig
from susx.records import SupportRow
from susx.stages import encode_images, target, text_classifier
from susx.stages.images import read_rows
from susx.store import ArtefactStore, Job
from susx.types import Json

if TYPE_CHECKING:
    from susx.support import SafetyTexts

__all__ = ["FEATURES", "TABLE", "run"]

TABLE = "support.parquet"
FEATURES = "support.safetensors"


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``support.parquet`` (kept and rejected), ``support.safetensors`` (kept, in the table's order), sources.

    Inputs are named ``images/<source>/<class>`` and ``features/<source>/<class>``; classes are taken in the order of
    their names, so the order of the class list does not matter.
    """
    import torch
    from safetensors.torch import load_file, save_file

    from susx.support import curate, write_support

    names = json.loads(store.path(job.inputs["text"], "classes.json").read_text(encoding="utf-8"))
    weights = load_file(store.path(job.inputs["text"], text_classifier.FILE))["text"]
    rows: list[SupportRow] = []
    tensors: dict[str, list[torch.Tensor]] = {}
    keys: dict[str, str] = {}
    for name in sorted(name for name in job.inputs if name.startswith("images/")):
        images = job.inputs[name]
        own = read_rows(store, images)
        features = load_file(
            store.path(job.inputs["features/" + name.removeprefix("images/")], encode_images.FILE)
        )
        kept = torch.tensor([i for i, row in enumerate(own) if row.kept], dtype=torch.long)
        for kind, values in features.items():
            full = torch.zeros(len(own), *values.shape[1:])
            full[kept] = values
            tensors.setdefault(kind, []).append(full)
        for row in own:
            keys[row.digest] = f"{images.stage}/{images.key}/{row.file}"
        rows += own
    if "lost" in job.inputs:
        lost = read_rows(store, job.inputs["lost"])
        rows += lost
        for parts in tensors.values():
            parts.append(torch.zeros(len(lost), *parts[0].shape[1:]))
    stacked = {kind: torch.cat(parts) for kind, parts in tensors.items()}
    width = weights.shape[1]
    features_of_rows = stacked.get("image", torch.zeros(len(rows), width))
    hashes: list[str] = []
    shown: list[torch.Tensor] = []
    for split in ("val", "test"):
        if split in job.inputs:
            hashes += json.loads(store.path(job.inputs[split], target.LABELS).read_text(encoding="utf-8"))[
                "phash"
            ]
            shown.append(load_file(store.path(job.inputs[split], target.FILE))["image"])
    config = CurationConfig(**job.params["curation"])
    result = curate(
        rows, features_of_rows, dict(zip(names, weights, strict=True)), hashes, torch.cat(shown) if shown else None,
        config, job.params["per_class"], safety=_safety_texts(job) if config.clip_safety else None,
    )  # fmt: skip
    write_support(out / TABLE, result)
    alive = torch.tensor([i for i, row in enumerate(result) if row.kept], dtype=torch.long)
    save_file({kind: values[alive].contiguous() for kind, values in stacked.items()}, out / FEATURES)
    sources = {row.digest: keys[row.digest] for row in result if row.file}
    (out / "sources.json").write_text(json.dumps(sources, sort_keys=True), encoding="utf-8")
    return {"kept": len(alive), "rejected": len(result) - len(alive)}


def _safety_texts(job: Job) -> SafetyTexts:
    """Encode the sentences that the zero-shot safety rule judges by, with the encoder of the images."""
    from susx.features.encoder import load_encoder
    from susx.support import SAFE_TEXTS, UNSAFE_TEXTS, SafetyTexts

    encoder = load_encoder(EncoderConfig(**job.execution["encoder"]))
    return SafetyTexts(
        encoder.encode_texts(SAFE_TEXTS), encoder.encode_texts(UNSAFE_TEXTS), encoder.logit_scale
    )
