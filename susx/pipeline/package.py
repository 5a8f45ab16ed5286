"""Stage ``package``: the classifier as a folder that can be shipped, for ``susx predict``, ``serve`` and ``export``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from susx.encoder_id import EncoderId
from susx.pipeline import classify, curate, fit, pool_statistics, text_classifier
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.parameters import Encoding, Params
from susx.pipeline.stage import Stage
from susx.store import ArtefactStore, Job
from susx.types import Json

__all__ = ["FOLDER", "STAGE", "jobs", "run"]

FOLDER = "classifier"


class _Params(Params):
    classes: tuple[str, ...]
    encoder: EncoderId
    dataset: str
    prompts: str
    tuning: str
    toy: bool


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job: the trial of the headline."""
    headline, profile = plan.headline, plan.profile
    inputs = [done.one(text_classifier.STAGE), done.one(curate.STAGE), done.all(fit.STAGE)[headline.name]]
    logits = done.all(classify.STAGE).get(headline.name)
    params = _Params(
        classes=plan.classes, encoder=plan.encoder, dataset=plan.dataset.name, prompts=profile.prompts.classify,
        tuning=headline.tuning, toy=profile.toy,
    )  # fmt: skip
    return [
        STAGE.job(
            plan, [*inputs, *([logits] if logits else []), *done.all(pool_statistics.STAGE).values()], params=params, execution=Encoding(encoder=profile.encoder)
        )
    ]  # fmt: skip


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``classifier/``. Its temperature is fitted on the validation split where there is one of enough images, never on test."""
    from susx.classifier import ClassifierFacts, save_classifier
    from susx.evaluation import calibrate
    from susx.methods.state import load_fitted

    inputs, params = Artefacts.of(job), _Params.of(job)
    support = inputs.one(curate.STAGE)
    fitted = load_fitted(store.path(inputs.one(fit.STAGE), fit.FILE))
    temperature, images = None, 0
    if (logits := inputs.find(classify.STAGE)) and (held_out := classify.read(store, logits).held_out):
        temperature, images = calibrate(*held_out), len(held_out[1])
    rows = [row for row in curate.read_rows(store, support) if row.kept]
    licences = sorted({row.licence for row in rows if row.licence})
    facts = ClassifierFacts(
        class_names=params.classes, encoder=params.encoder, pretrained=Encoding.of(job).encoder.pretrained,
        dataset=params.dataset, prompts=params.prompts, prompts_digest=inputs.one(text_classifier.STAGE).digest,
        tuning=params.tuning, temperature=1.0 if temperature is None else temperature,
        calibrated_on="" if temperature is None else "val", calibration_images=images, toy=params.toy,
        rejection=pool_statistics.read_rejection(store, inputs.find(pool_statistics.STAGE)),
        licences=(f"Support images under: {', '.join(licences)}.",) if licences else (),
    )  # fmt: skip
    features = curate.read_features(store, support).image
    save_classifier(out / FOLDER, facts, fitted, support_features=features, support_rows=rows)
    return {"classes": len(facts.class_names), "support images": len(rows)}


STAGE = Stage("package", 5, run, "Package the classifier", jobs)
