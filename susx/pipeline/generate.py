"""Stage ``generate``: the images of one class, drawn by a diffusion model; an interrupted run goes on where it was."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from susx.config import GenerationConfig
from susx.config.ingredients import ingredients
from susx.errors import SourceChanged
from susx.pipeline import text_classifier
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.generator_identity import generator_path, identify_generator
from susx.pipeline.images import write_image_rows
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.outside import ENCODER, GENERATOR
from susx.pipeline.parameters import KnownEncoding, Params
from susx.pipeline.stage import Stage
from susx.store import ArtefactStore, Job
from susx.types import Json

if TYPE_CHECKING:
    from susx.images.generate import Distinctness

__all__ = ["STAGE", "jobs", "run"]


class _Params(Params):
    settings: dict[str, Json]
    """The settings of the generation that change a picture."""
    model: Json
    """Identity of the diffusion model."""
    per_class: int
    seed: int
    class_name: str
    sentences: tuple[str, ...]


class _Drawing(KnownEncoding):
    generation: GenerationConfig


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job a class."""
    if "generate" not in plan.sources:
        return []
    config, profile = plan.profile.generation, plan.profile
    settings = ingredients(config, identified=False)
    # Only the rule of distinctness looks at other classes; without it a class is drawn by itself.
    inputs = [done.one(text_classifier.STAGE)] if config.distinctness_margin is not None else []
    execution = _Drawing(encoder=profile.encoder, identity=plan.encoder, generation=config)
    drawings = []
    for name, sentences in plan.sentences.items():
        if name in plan.unnamed:
            continue  # there is nothing to draw it by
        params = _Params(
            settings=settings, model=plan.generator, per_class=profile.per_class, seed=profile.seed, class_name=name,
            sentences=tuple(prompt.text for prompt in sentences.images),
        )  # fmt: skip
        drawings.append(STAGE.job(plan, inputs, subject=name, params=params, execution=execution))
    return drawings


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``images/`` and ``rows.parquet``; finished images of this and earlier runs are kept."""
    from susx.images.generate import DrawSettings, draw, plan_requests, support_row
    from susx.images.inspect import inspect_files

    params, config = _Params.of(job), _Drawing.of(job).generation
    loaded = _pipeline(config, json.dumps(params.model, sort_keys=True))
    names = {field.name for field in dataclasses.fields(DrawSettings)}
    settings = DrawSettings(**{name: value for name, value in params.settings.items() if name in names})
    requests = plan_requests(params.class_name, params.sentences, params.per_class, params.seed)
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
    write_image_rows(out, rows)
    return {"images": len(kept), "rejected": len(rows) - len(kept)}


@functools.lru_cache(maxsize=1)
def _pipeline(config: GenerationConfig, identity: str) -> Any:
    """Return the pipeline of the model that has this identity (as JSON): another one may lie there by the next build.

    Raises:
        SourceChanged: it has changed since the build was planned.
    """
    from susx.images.generate import load_pipeline

    loaded = load_pipeline(
        generator_path(config) or config.model, revision=config.revision, variant=config.variant,
        scheduler=config.scheduler, dtype=config.dtype, device=config.device, channels_last=config.channels_last,
        compile=config.compile,
    )  # fmt: skip
    if json.dumps(identify_generator(config), sort_keys=True) != identity:
        raise SourceChanged.of("the diffusion model", "generate", "")
    return loaded


def _distinctness(job: Job, store: ArtefactStore, config: GenerationConfig) -> Distinctness | None:
    if config.distinctness_margin is None:
        return None
    from susx.features.encoder import load_encoder
    from susx.images.generate import Distinctness

    encoder = load_encoder(_Drawing.of(job).encoder)
    text = text_classifier.read(store, Artefacts.of(job).one(text_classifier.STAGE))

    def score(images: Any) -> Any:
        return (encoder.encode_images(images) @ text.rows.T).numpy()

    return Distinctness(text.names, score, config.distinctness_margin, encoder.digest)


STAGE = Stage(
    "generate", 2, run, "Draw images", jobs, resumable=True, device=True, outside=(ENCODER, GENERATOR)
)
