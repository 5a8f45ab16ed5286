"""The figures of a build: confusions, gains per class, calibration, modality gap, ablations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from susx.evaluation import accuracy_plane, support_size_curve, term_ablation
from susx.experiment.of_build import labelled_features
from susx.methods import Need
from susx.report.build_data import BuildMade, BuildSettings
from susx.report.model import MethodRow, QueryImage
from susx.report.report_rows import (
    bars,
    class_changes,
    confusion_cells,
    confusions,
    cosine_figures,
    coverage_curves,
    loss_curve,
    plane,
    reliability_figures,
    support_curve,
)

__all__ = ["figures"]

_WEIGHTS = (0.0, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Weights of terms at which the plane of two of them is measured, besides those chosen."""


def figures(
    asked: BuildSettings,
    made: BuildMade,
    rows: Sequence[MethodRow],
    test_image: Callable[[int], QueryImage],
) -> dict[str, Any]:
    """Return the figures as arguments of ``ReportData``. The method shown is the headline's."""
    classes, name, evidence = asked.classes, asked.headline, made.evidence
    measured = [trial for trial in asked.trials if trial in made.scores]
    reference = made.scores[measured[0]].test
    logits, labels = made.scores[name].test, made.scores[name].test_labels
    row = rows[measured.index(name)]
    query, _ = labelled_features(made.splits["test"], classes)
    result: dict[str, Any] = {
        "headline": measured.index(name),
        "confusions": confusions(logits, labels, classes, test_image, temperature=row.temperature or 1.0),
        "confusion_matrix": confusion_cells(logits, labels),
        "changes": class_changes(reference, logits, labels, classes),
        "reliability": reliability_figures(logits, labels, row.label, row.temperature),
        "histograms": cosine_figures(query.pooled, labels, evidence.text_classifier),
    }
    fits = {trial: made.fitted(trial) for trial in measured}
    result["curves"] = tuple(
        loss_curve(fits[trial].state.losses, rows[measured.index(trial)].label)
        for trial in measured
        if fits[trial].state.losses
    )
    if made.rejection:
        similarity = (query.pooled @ evidence.text_classifier.T).amax(dim=1)
        result["curves"] += coverage_curves(made.rejection, similarity, logits, labels)
    if not evidence.has_support:
        return result
    fitted = fits[name]
    method = fitted.method
    weights = [axis.name for axis in method.axes if axis.term][::-1]
    if len(weights) >= 2:
        x, y = weights[:2]
        chosen = method.values()[x], method.values()[y]
        accuracies = accuracy_plane(
            method, evidence, query, labels, (x, _with(chosen[0])), (y, _with(chosen[1]))
        )
        result["planes"] = (plane(accuracies, chosen=chosen),)
    if Need.SUPPORT not in method.needs or Need.TEXT_TOWER in method.needs:
        # Fits on parts of the support need no more than features here.
        return result
    # The size of the support set is varied with the hyper-parameters kept, so that the curve shows its effect alone.
    shown, caption = method, "Hyper-parameters as tuned"
    label = row.label
    fixed = f"{method.name}/fixed"
    if method.gives_zero_shot(fitted.state) and fixed in fits:
        # Tuned to be zero-shot, where no support image counts: both figures would be flat.
        shown = fits[fixed].method
        label = rows[measured.index(fixed)].label
        caption = "The tuning chose 0 for every weight, which is zero-shot; shown with the fixed values"
    curve = support_size_curve(lambda part: shown, evidence, query, labels)
    result["curves"] = (support_curve(curve, label), *result["curves"])
    if weights:
        ablation = term_ablation(shown, evidence, query, labels)
        result["bars"] = (bars(ablation, "What each term is worth", f"{caption}; one weight set to 0."),)
    return result


def _with(chosen: float) -> tuple[float, ...]:
    return tuple(sorted({*_WEIGHTS, float(chosen)}))
