"""Stage ``generate``: the images of one class, drawn by a diffusion model; an interrupted run goes on where it was."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from susx.config import EncoderConfig, GenerationConfig
from susx.stages.images import write_rows
from susx.stages.sources import generator_path
from susx.store import ArtefactStore, Job
from susx.types import Json

if TYPE_CHECKING:
    from susx.images.generate import Distinctness

__all__ = ["run"]


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``images/`` and ``rows.jsonl``; finished images of this and earlier runs are kept."""
    from susx.images.generate import DrawSettings, draw, plan_requests, support_row
    from susx.images.inspect import inspect_files

    config = GenerationConfig(**job.execution["generation"])
    loaded = _pipeline(config)
    names = {field.name for field in dataclasses.fields(DrawSettings)}
    settings = DrawSettings(
        **{name: value for name, value in job.params["settings"].items() if name in names}
    )
    name = job.params["class"]
    requests = plan_requests(name, job.params["sentences"], job.params["per_class"], job.params["seed"])
    drawn = draw(
        loaded, requests, out / "images", settings=settings, batch_size=config.batch_size,
        exact=None if config.exact else False,
        distinctness=_distinctness(job, store, config), donors=[folder / "images" for folder in store.donors(job)],
    )  # fmt: skip
    rows = [support_row(image, "images") for image in drawn]
    kept = [at for at, row in enumerate(rows) if row.kept]
    for at, facts in zip(kept, inspect_files([out / rows[at].file for at in kept]), strict=True):
        rows[at] = dataclasses.replace(rows[at], phash=facts.phash, width=facts.width, height=facts.height)
    wanted = {row.file for row in rows}
    for path in sorted((out / "images").iterdir()):
        if path.is_file() and f"images/{path.name}" not in wanted and path.suffix != ".json":
            path.unlink()
    write_rows(out, rows)
    return {"images": len(kept), "rejected": len(rows) - len(kept)}


@functools.lru_cache(maxsize=1)
def _pipeline(config: GenerationConfig) -> Any:
    from susx.images.generate import load_pipeline

    return load_pipeline(
        generator_path(config) or config.model, revision=config.revision, variant=config.variant,
        scheduler=config.scheduler, dtype=config.dtype, device=config.device, channels_last=config.channels_last,
        compile=config.compile,
    )  # fmt: skip


def _distinctness(job: Job, store: ArtefactStore, config: GenerationConfig) -> Distinctness | None:
    if config.distinctness_margin is None:
        return None
    import json

    from safetensors.torch import load_file

    from susx.features.encoder import load_encoder
    from susx.images.generate import Distinctness
    from susx.stages import text_classifier

    encoder = load_encoder(EncoderConfig(**job.execution["encoder"]))
    text = load_file(store.path(job.inputs["text"], text_classifier.FILE))["text"]
    names = json.loads(store.path(job.inputs["text"], "classes.json").read_text(encoding="utf-8"))

    def score(images: Any) -> Any:
        return (encoder.encode_images(images) @ text.T).numpy()

    return Distinctness(tuple(names), score, config.distinctness_margin, encoder.digest)
