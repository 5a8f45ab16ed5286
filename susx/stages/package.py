"""Stage ``package``: the classifier as a folder that can be shipped, for ``susx predict``, ``serve`` and ``export``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from susx.config import EncoderConfig
from susx.stages import classify, curate, fit
from susx.store import ArtefactStore, Job
from susx.types import Json

__all__ = ["FOLDER", "run"]

FOLDER = "classifier"


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``classifier/``. Its temperature is fitted on the validation split where there is one, never on test."""
    from safetensors.torch import load_file

    from susx.classifier import ClassifierFacts, save_classifier
    from susx.evaluation import fit_temperature
    from susx.methods.state import load_fitted
    from susx.support import read_support

    fitted = load_fitted(store.path(job.inputs["fitted"], fit.FILE))
    temperature, calibrated_on = 1.0, ""
    if "logits" in job.inputs:
        found = load_file(store.path(job.inputs["logits"], classify.FILE))
        if "val" in found:
            temperature, calibrated_on = fit_temperature(found["val"], found["val_labels"]), "val"
    rows = [row for row in read_support(store.path(job.inputs["support"], curate.TABLE)) if row.kept]
    licences = sorted({row.licence for row in rows if row.licence})
    facts = ClassifierFacts(
        class_names=tuple(job.params["classes"]), encoder=EncoderConfig(**job.execution["encoder"]),
        encoder_digest=job.params["encoder"]["digest"], dataset=job.params["dataset"], prompts=job.params["prompts"],
        prompts_digest=job.inputs["text"].digest, tuning=job.params["tuning"], temperature=temperature,
        calibrated_on=calibrated_on, toy=job.params["toy"],
        licences=(f"Support images under: {', '.join(licences)}.",) if licences else (),
    )  # fmt: skip
    features = load_file(store.path(job.inputs["support"], curate.FEATURES)).get("image")
    save_classifier(out / FOLDER, facts, fitted, support_features=features, support_rows=rows)
    return {"classes": len(facts.class_names), "support images": len(rows)}
