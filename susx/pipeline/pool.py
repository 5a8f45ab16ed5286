"""Stage ``pool``: the embedded captioned pool, drawn, encoded and indexed in clip-retrieval's layout; once a user."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from susx.encoder_id import EncoderId
from susx.images.retrieve.backends.demo import DemoSettings
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.inputs import Done
from susx.pipeline.outside import ENCODER
from susx.pipeline.parameters import Encoding, Params
from susx.pipeline.stage import Stage
from susx.store import ArtefactStore, Job
from susx.types import Digest, Json

__all__ = ["STAGE", "jobs", "run"]


class _Params(Params):
    size: int
    seed: int
    encoder: EncoderId
    drawing: Digest
    """Of the code that draws: nothing else of the pool is stored."""


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job where the embedded pool is read."""
    config = plan.retrieval
    if not plan.reads_pool or not isinstance(config, DemoSettings):
        return []
    params = _Params(size=config.pool_size, seed=0, encoder=plan.encoder, drawing=plan.backend["drawing"])
    return [STAGE.job(plan, params=params, execution=Encoding(encoder=plan.profile.encoder))]


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``img_emb/``, ``metadata/``, ``image.index`` and ``images.arrow``."""
    from susx.demo.pool_index import write_pool_index
    from susx.device import one_thread
    from susx.features.encoder import load_encoder
    from susx.image_files import open_image
    from susx.images.retrieve.index_manifest import IndexManifest

    params, encoder = _Params.of(job), load_encoder(Encoding.of(job).encoder)
    with one_thread():  # two processes draw meanwhile
        write_pool_index(
            out,
            lambda jpegs: encoder.encode_images(open_image(jpeg) for jpeg in jpegs),
            params.size,
            params.seed,
        )
    IndexManifest(encoder.id, encoder.digest, encoder.dim, params.size, {}, job.key, "images").write(out)
    return {"images": params.size}


STAGE = Stage(
    "pool", 2, run, "Draw and index the embedded pool", jobs, device=True, shared=True, outside=(ENCODER,)
)
