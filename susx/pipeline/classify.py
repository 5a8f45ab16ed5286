"""Stage ``classify``: the logits of one fitted method on one target split."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from susx.pipeline import fit, target
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.outside import ENCODER
from susx.pipeline.parameters import KnownEncoding, Params
from susx.pipeline.stage import Stage
from susx.store import ArtefactStore, Job
from susx.types import Json

__all__ = ["FILE", "STAGE", "jobs", "run"]

FILE = "logits.safetensors"


class _Params(Params):
    classes: tuple[str, ...]


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job a fitted trial where there is a test split."""
    splits, params = done.all(target.STAGE), _Params(classes=plan.classes)
    execution = KnownEncoding(encoder=plan.profile.encoder, identity=plan.encoder)
    if "test" not in splits:
        return []
    return [
        STAGE.job(plan, [fitted, *splits.values()], subject=name, params=params, execution=execution)
        for name, fitted in done.all(fit.STAGE).items()
    ]


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``logits.safetensors``: ``<split> [query classes]`` and ``<split>_labels [query]`` for val and test."""
    from safetensors.torch import save_file

    from susx.features.encoder import load_encoder
    from susx.features.text_tower import TextTower
    from susx.methods.state import load_fitted
    from susx.pipeline.evidence import load_target

    inputs, classes, encoder = Artefacts.of(job), _Params.of(job).classes, KnownEncoding.of(job).encoder
    fitted = load_fitted(store.path(inputs.one(fit.STAGE), fit.FILE))
    fitted = fitted.bound(lambda: TextTower(load_encoder(encoder)))
    tensors = {}
    for split, ref in inputs.all(target.STAGE).items():
        features, labels = load_target(store, ref, classes)
        tensors[split] = fitted.logits(features).contiguous()
        tensors[f"{split}_labels"] = labels
    save_file(tensors, out / FILE)
    labels, logits = tensors["test_labels"], tensors["test"]
    correct = int((logits.argmax(dim=1) == labels).sum())
    return {"images": len(labels), "correct": correct}


STAGE = Stage("classify", 1, run, "Classify the target's images", jobs, outside=(ENCODER,))
