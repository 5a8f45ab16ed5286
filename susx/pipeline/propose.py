"""Stage ``propose``: what the pool's captions say of groups of photographs that no name explains."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from susx.encoder_id import EncoderId
from susx.images.retrieve.backends import Delivers
from susx.images.retrieve.backends.capabilities import GivesCaptionedSample
from susx.pipeline import label, pool
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.outside import POOL
from susx.pipeline.parameters import Params
from susx.pipeline.retrieval import Retrieving, open_backend, retrieving
from susx.pipeline.stage import Stage
from susx.store import ArtefactStore, Job, Ref
from susx.store.image_rows import ImageRows
from susx.types import Digest, Json

__all__ = ["STAGE", "propose_jobs", "read", "run"]

FILE = "proposals.json"


class _Params(Params):
    encoder: EncoderId
    backend: Json
    """Identity of the pool whose captions are read."""


def propose_jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job where the folder is labelled with a pool that has captions beside its features."""
    if plan.backend is None or not plan.retrieval.delivers >= {Delivers.WHOLE, Delivers.CAPTIONS}:
        return []
    inputs = [done.one(label.STAGE), *done.all(pool.STAGE).values()]
    params = _Params(encoder=plan.encoder, backend=plan.backend)
    return [STAGE.job(plan, inputs, params=params, execution=retrieving(plan))]


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``proposals.json``: digest of each image of such a group -> captions, the nearest first."""
    from susx.labelling.proposals import captions_near
    from susx.labelling.unexplained import unexplained_groups

    params, inputs = _Params.of(job), Artefacts.of(job)
    frame = label.read_labels(store, inputs.one(label.STAGE))
    digests = frame["digest"].tolist()
    there = ImageRows(store, params.encoder).look(digests)
    groups = unexplained_groups(frame, there.rows) if there.present.all() else []
    proposals: dict[Digest, tuple[str, ...]] = {}
    if groups:
        backend = open_backend(
            Retrieving.of(job), store, inputs.find(pool.STAGE), params.backend, params.encoder
        )
        assert isinstance(backend, GivesCaptionedSample)
        features, captions = backend.captioned_sample()
        near = captions_near([there.rows[group] for group in groups], features, captions)
        proposals = {
            digests[at]: told for group, told in zip(groups, near, strict=True) for at in group if told
        }
    (out / FILE).write_text(json.dumps(proposals, indent=0), encoding="utf-8")
    return {"groups": len(groups), "with captions": len(set(proposals.values()))}


def read(store: ArtefactStore, ref: Ref) -> dict[Digest, tuple[str, ...]]:
    """Return digest -> captions."""
    proposals = json.loads(store.path(ref, FILE).read_text(encoding="utf-8"))
    return {digest: tuple(captions) for digest, captions in proposals.items()}


STAGE = Stage("propose", 1, run, "Look up what no name explains", outside=(POOL,))
