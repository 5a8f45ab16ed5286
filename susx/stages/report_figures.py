"""The figures of a build: confusions, gains per class, calibration, modality gap, ablations."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from susx.evaluation import accuracy_plane, kl_ablation, support_size_curve
from susx.methods.state import load_fitted
from susx.report import MethodRow, QueryImage
from susx.report.measured import (
    bars,
    class_changes,
    confusions,
    cosine_figures,
    plane,
    reliability_figures,
    support_curve,
)
from susx.stages import classify, fit
from susx.stages.evidence import load_evidence, load_target
from susx.store import ArtefactStore, Job

__all__ = ["figures"]

_ALPHAS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_GAMMAS = (0.0, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


def figures(
    job: Job, store: ArtefactStore, rows: Sequence[MethodRow], test_image: Callable[[int], QueryImage]
) -> dict[str, Any]:
    """Return the figures as arguments of ``ReportData``. The method shown is TIP-X as tuned for the headline."""
    from safetensors.torch import load_file

    profile, classes = job.params["profile"], job.params["classes"]
    name = _headline(job, profile["method"]["headline"])
    found = load_file(store.path(job.inputs[f"logits/{name}"], classify.FILE))
    zero_shot = load_file(store.path(job.inputs["logits/zero_shot/fixed"], classify.FILE))["test"]
    logits, labels = found["test"], found["test_labels"]
    row = next(r for r in rows if f"{r.method}/{r.tuning or 'fixed'}" == name)
    query, _ = load_target(store, job.inputs["test"], classes)
    evidence = load_evidence(store, {k: job.inputs[k] for k in ("text", "support")}, classes)
    result: dict[str, Any] = {
        "headline": list(rows).index(row),
        "confusions": confusions(logits, labels, classes, test_image, temperature=row.temperature or 1.0),
        "changes": class_changes(zero_shot, logits, labels, classes),
        "reliability": reliability_figures(logits, labels, row.label, row.temperature),
        "histograms": cosine_figures(query.pooled, labels, evidence.text_classifier),
    }
    method, _ = load_fitted(store.path(job.inputs[f"classifier/{name}"], fit.FILE))
    if evidence.has_support and hasattr(method, "gamma"):
        alphas, gammas = _with(_ALPHAS, method.alpha), _with(_GAMMAS, method.gamma)
        found_plane = accuracy_plane(method, evidence, query, labels, alphas, gammas)
        result["planes"] = (plane(found_plane, chosen=(method.alpha, method.gamma)),)
        # The size of the support set is varied with the hyper-parameters held, so that the curve shows its effect alone.
        held, label, words = method, row.label, "Hyper-parameters as tuned"
        if method.alpha == method.gamma == 0 and "classifier/tip_x/fixed" in job.inputs:
            # Tuned to be zero-shot, where no support image counts: both figures would be flat.
            held, _ = load_fitted(store.path(job.inputs["classifier/tip_x/fixed"], fit.FILE))
            label = next((r.label for r in rows if (r.method, r.tuning) == ("tip_x", "fixed")), label)
            words = "The tuning chose alpha 0 and gamma 0, which is zero-shot; shown with the fixed values"
        curve = support_size_curve(lambda part: dataclasses.replace(held), evidence, query, labels)
        result["curves"] = (support_curve(curve, label),)
        ablation = kl_ablation(lambda part: held, evidence, query, labels)
        result["bars"] = (bars(ablation, "The KL term", f"{words}; gamma set to 0 without it."),)
    return result


def _headline(job: Job, tuning: str) -> str:
    for name in (f"tip_x/{tuning}", "tip_x/fixed", "tip_adapter/fixed", "zero_shot/fixed"):
        if f"logits/{name}" in job.inputs:
            return name
    return next(key.removeprefix("logits/") for key in job.inputs if key.startswith("logits/"))


def _with(values: Sequence[float], chosen: float) -> tuple[float, ...]:
    return tuple(sorted({*values, float(chosen)}))
