"""Stage ``classify``: the logits of one fitted method on one target split."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from susx.pipeline import fit, target
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.outside import ENCODER
from susx.pipeline.parameters import KnownEncoding, Params
from susx.pipeline.stage import Stage
from susx.pipeline.value import keep, load
from susx.store import ArtefactStore, Job, Ref
from susx.types import Json

if TYPE_CHECKING:
    from susx.experiment.classify_splits import ClassifiedSplits

__all__ = ["STAGE", "jobs", "read", "run"]


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
    """Write the :class:`~susx.experiment.classify_splits.ClassifiedSplits`."""
    from susx.experiment.classify_splits import classify_splits
    from susx.features.encoder import load_encoder
    from susx.features.text_tower import TextTower
    from susx.methods.state import load_fitted

    inputs, classes, encoder = Artefacts.of(job), _Params.of(job).classes, KnownEncoding.of(job).encoder
    fitted = load_fitted(store.path(inputs.one(fit.STAGE), fit.FILE))
    fitted = fitted.bound(lambda: TextTower(load_encoder(encoder)))
    splits = {name: target.read(store, ref) for name, ref in inputs.all(target.STAGE).items()}
    scores = classify_splits(fitted, splits, classes)
    keep(out, scores)
    return {"images": len(scores.test_labels), "correct": scores.correct}


def read(store: ArtefactStore, ref: Ref) -> ClassifiedSplits:
    """Return logits and labels."""
    from susx.experiment.classify_splits import ClassifiedSplits

    return load(store, ref, ClassifiedSplits)


STAGE = Stage("classify", 2, run, "Classify the target's images", jobs, outside=(ENCODER,))
