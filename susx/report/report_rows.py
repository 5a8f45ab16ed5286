"""From logits, labels and features to the report's rows and figures: the measuring of ``susx.evaluation``, put into words."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from jaxtyping import Float, Int64
from torch import Tensor

from susx.evaluation.ablation import AccuracyCurve, AccuracyPlane
from susx.evaluation.calibration import calibrate, reliability
from susx.evaluation.confidence import class_confidence
from susx.evaluation.confusion import confusion_matrix, confusion_pairs
from susx.evaluation.measure import Score, measure
from susx.evaluation.modality_gap import centroid_gap, cosine_histograms, intra_modal_overlap
from susx.evaluation.per_class import class_gains
from susx.evaluation.rejection_threshold import Rejection
from susx.methods import Evidence
from susx.methods.access import Access
from susx.report.figure_data import Bars, ClassChange, Curve, Histogram, Plane, Reliability
from susx.report.model import Confidence, Confusion, MethodRow, QueryImage
from susx.types import Digest

__all__ = [
    "bars",
    "class_changes",
    "confidence",
    "confusion_cells",
    "confusions",
    "cosine_figures",
    "coverage_curves",
    "loss_curve",
    "measured_row",
    "plane",
    "reliability_figures",
    "support_curve",
]

_LET_IN = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Shares of outsiders at which a report says what is answered and what of it is wrong."""


def measured_row(
    logits: Float[Tensor, "query classes"],
    labels: Int64[Tensor, " query"],
    *,
    prompts: str,
    source: str,
    encoder: str,
    method: str,
    tuning: str = "",
    hyper_parameters: Mapping[str, float | int | str | bool] | None = None,
    zero_shot: Float[Tensor, "query classes"] | None = None,
    held_out: tuple[Float[Tensor, "val classes"], Int64[Tensor, " val"]] | None = None,
    access: Sequence[Access] = (),
    seed: int | None = None,
    version: str = "",
    digests: Mapping[str, Digest] | None = None,
    title: str = "",
    is_zero_shot: bool = False,
) -> MethodRow:
    """Measure one method on labelled test images.

    Args:
        logits, labels: of the test images.
        prompts, source, encoder, method, tuning, hyper_parameters, access, seed, version, digests, title, is_zero_shot: see
            ``MethodRow``.
        zero_shot: logits of the reference on the same images, for the paired gain; None: this is the reference.
        held_out: logits and labels of other images (the validation split) that the temperature is fitted on; None or
            too few leave temperature scaling out. Test images never fit it.
    """
    score = measure(logits, labels, reference=zero_shot, access=access, seed=seed)
    temperature = None if held_out is None else calibrate(*held_out)
    return MethodRow(
        prompts,
        source,
        encoder,
        method,
        tuning,
        dict(hyper_parameters or {}),
        **{part.name: getattr(score, part.name) for part in dataclasses.fields(score)},
        ece_after=None if temperature is None else reliability(logits, labels, temperature).ece,
        temperature=temperature,
        calibration_images=0 if held_out is None else len(held_out[1]),
        version=version,
        digests=dict(digests or {}),
        title=title,
        reference=zero_shot is None,
        is_zero_shot=is_zero_shot,
    )


def confusions(
    logits: Float[Tensor, "query classes"],
    labels: Int64[Tensor, " query"],
    classes: Sequence[str],
    picture: Callable[[int], QueryImage],
    most: int = 12,
    images: int = 6,
    temperature: float = 1.0,
) -> tuple[Confusion, ...]:
    """Return the largest confusions with pictures; ``picture(row)`` gives the image of a test row.

    The confidence is filled in here, at ``temperature``.
    """
    worst = []
    for pair in confusion_pairs(logits, labels, most, images, temperature):
        shown = [(picture(row), sure) for row, sure in zip(pair.rows, pair.confidence, strict=True)]
        pictures = tuple(QueryImage(image.image, image.name, sure) for image, sure in shown)
        worst.append(Confusion(classes[pair.true], classes[pair.predicted], pair.count, pair.total, pictures))
    return tuple(worst)


def confusion_cells(
    logits: Float[Tensor, "query classes"], labels: Int64[Tensor, " query"]
) -> tuple[tuple[int, int, int], ...]:
    """Return (true, predicted, images) wherever there are images, in label order."""
    matrix = confusion_matrix(logits.argmax(dim=1), labels, logits.shape[1])
    return tuple(
        (true, predicted, int(matrix[true, predicted])) for true, predicted in matrix.nonzero().tolist()
    )


def class_changes(
    zero_shot: Float[Tensor, "query classes"],
    logits: Float[Tensor, "query classes"],
    labels: Int64[Tensor, " query"],
    classes: Sequence[str],
) -> tuple[ClassChange, ...]:
    """Return accuracy per class under zero-shot and under the method."""
    return tuple(
        ClassChange(classes[g.label], g.n, g.before, g.after) for g in class_gains(zero_shot, logits, labels)
    )


def confidence(
    evidence: Evidence, classes: Sequence[str], trust: Sequence[float] = ()
) -> tuple[Confidence, ...]:
    """Return what the prompts say of the support images of each class that has some, and how far the packaged method trusts them."""
    if evidence.support_features is None or evidence.support_labels is None:
        return ()
    confidences = class_confidence(
        evidence.support_features, evidence.support_labels, evidence.text_classifier, evidence.logit_scale
    )
    return tuple(
        Confidence(
            classes[c.label],
            c.confidence,
            classes[c.rival] if c.rival >= 0 else "",
            c.rival_confidence,
            trust[c.label] if trust else None,
        )
        for c in confidences
    )


def reliability_figures(
    logits: Float[Tensor, "query classes"],
    labels: Int64[Tensor, " query"],
    name: str,
    temperature: float | None = None,
) -> tuple[Reliability, ...]:
    """Return the reliability of a method, and after temperature scaling where there is a temperature."""
    scaled = [("before scaling", 1.0)] + (
        [] if temperature is None else [(f"scaled by {temperature:.3g}", temperature)]
    )
    diagrams = []
    for title, value in scaled:
        bins = reliability(logits, labels, value)
        diagrams.append(
            Reliability(f"{name}, {title}", bins.confidence, bins.accuracy, bins.counts, bins.ece)
        )
    return tuple(diagrams)


def cosine_figures(
    images: Float[Tensor, "query dim"],
    labels: Int64[Tensor, " query"],
    text: Float[Tensor, "classes dim"],
    group: str = "Cosines within and between modalities",
    seed: int = 0,
) -> tuple[Histogram, ...]:
    """Return the modality gap as histograms of one figure, empty bins at both ends cut off."""
    histograms = cosine_histograms(images, labels, text, seed=seed)
    held = [i for h in histograms for i, count in enumerate(h.counts) if count]
    first, last = max(min(held) - 1, 0), min(max(held) + 1, len(histograms[0].counts) - 1)
    gap, shared = centroid_gap(images, text), intra_modal_overlap(histograms)
    note = f"The mean image and the mean text are {gap:.2f} apart."
    if shared is not None:
        note += (
            f" Intra-modal overlap {shared:.2f}: that share of image pairs of one class is as near as pairs of "
            "different classes are; 0 would tell all pairs apart."
        )
    return tuple(
        Histogram(h.name, h.edges[first : last + 2], h.counts[first : last + 1], h.mean, group, note)
        for h in histograms
    )


def plane(measured: AccuracyPlane, chosen: tuple[float, float] | None = None) -> Plane:
    """Return the plane of two weights; ``chosen`` is (x, y), marked when it is one of the plane's pairs."""
    xs, ys = ({f"{v:.4g}" for v in values} for values in (measured.xs, measured.ys))
    inside = chosen is not None and f"{chosen[0]:.4g}" in xs and f"{chosen[1]:.4g}" in ys
    figure = f"{measured.x.capitalize()} and {measured.y}"
    return Plane(
        figure,
        measured.xs,
        measured.ys,
        measured.values,
        measured.x,
        measured.y,
        chosen=chosen if inside else None,
    )


def support_curve(measured: AccuracyCurve, name: str, figure: str = "Size of the support set") -> Curve:
    """Return top-1 over support images per class; the band is the spread of the repeats."""
    sizes = tuple(float(size) for size in measured.sizes)
    return Curve(
        figure,
        name,
        sizes,
        measured.top1,
        measured.low,
        measured.high,
        "support images per class",
        log_x=True,
    )


def coverage_curves(
    rejection: Rejection, similarity: Float[Tensor, " query"], logits: Float[Tensor, "query classes"],
    labels: Int64[Tensor, " query"],
) -> tuple[Curve, Curve]:  # fmt: skip
    """Return how many test images are answered, and how many of the answers are wrong, over the share of outsiders that may pass.

    Args:
        rejection: of the pool.
        similarity: largest cosine of each image with a class's sentences.
        logits, labels: of the method and the truth.
    """
    wrong = logits.argmax(dim=1) != labels
    answered, errors = [], []
    for share in _LET_IN:
        passed = similarity >= rejection.threshold(share)
        answered.append(float(passed.double().mean()))
        errors.append(float(wrong[passed].double().mean()) if passed.any() else 0.0)
    figure, x_label = "None of these: coverage against error", "outsiders that pass (estimated share)"
    return (
        Curve(
            figure,
            "answered",
            _LET_IN,
            tuple(answered),
            x_label=x_label,
            y_label="share of test images",
            log_x=True,
        ),
        Curve(
            figure,
            "wrong among the answered",
            _LET_IN,
            tuple(errors),
            x_label=x_label,
            y_label="share of test images",
            log_x=True,
        ),
    )


def loss_curve(losses: Sequence[float], name: str) -> Curve:
    """Return the mean training loss over the epochs."""
    epochs = tuple(float(epoch) for epoch in range(1, len(losses) + 1))
    return Curve("Training loss", name, epochs, tuple(losses), x_label="epoch", y_label="cross-entropy")


def bars(measured: Mapping[str, Score], figure: str, note: str = "") -> Bars:
    """Return named scores with their 95 % intervals (with and without a term, other data sets)."""
    scores = tuple(measured.values())
    return Bars(
        figure,
        tuple(measured),
        tuple(s.top1 or 0.0 for s in scores),
        tuple(s.low or 0.0 for s in scores),
        tuple(s.high or 0.0 for s in scores),
        note=note,
    )
