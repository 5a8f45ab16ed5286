"""How pure the support of each class came out, where nobody has labelled it: how many of the fetched images were kept, and how alike the rest is to its name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from susx.methods import Evidence
from susx.records import SupportRow
from susx.report.figures.spec import percent
from susx.report.model import Confidence, Purity

__all__ = ["purity", "purity_sentence"]

_MOST = 3
"""Classes named that came out least pure."""


def purity(
    rows: Sequence[SupportRow], evidence: Evidence, classes: Sequence[str], confidences: Sequence[Confidence]
) -> tuple[Purity, ...]:
    """Return a row for each class of which images were retrieved, in label order.

    Args:
        rows: every candidate, kept or rejected.
        evidence: features of the kept images, shape [support, dim], and the text classifier.
        classes: class names in label order.
        confidences: what the prompts say of the kept images of a class.
    """
    fetched = Counter(row.class_name for row in rows if row.origin == "retrieved" and row.digest)
    kept = Counter(row.class_name for row in rows if row.origin == "retrieved" and row.kept)
    sure = {one.class_name: one for one in confidences}
    alike = _similarities(evidence, classes)
    return tuple(
        Purity(
            name, kept[name], fetched[name], alike.get(name),
            sure[name].confidence if name in sure else None, sure[name].trust if name in sure else None,
        )
        for name in classes
        if fetched[name]
    )  # fmt: skip


def purity_sentence(rows: Sequence[Purity]) -> str:
    """Return one sentence on all classes, with those named whose images the prompts know least; "" where nothing was retrieved."""
    if not rows:
        return ""
    kept, fetched = sum(row.kept for row in rows), sum(row.fetched for row in rows)
    judged = sorted(
        (row for row in rows if row.confidence is not None), key=lambda row: row.confidence or 0.0
    )
    sentence = f"{kept:,} of {fetched:,} fetched images were kept as support."
    if not judged:
        return sentence
    mean = sum(row.confidence or 0.0 for row in judged) / len(judged)
    least = ", ".join(
        f"'{row.class_name}' {percent(row.confidence, 0)} ({row.kept} of {row.fetched} kept"
        + ("" if row.similarity is None else f", mean similarity {row.similarity:.2f}")
        + ("" if row.trust is None else f", trusted by {percent(row.trust, 0)}")
        + ")"
        for row in judged[:_MOST]
    )
    return f"{sentence} The prompts give those of a class its name with {percent(mean, 0)} in the mean, least sure of {least}."


def _similarities(evidence: Evidence, classes: Sequence[str]) -> Mapping[str, float]:
    """Return class -> mean cosine of its kept images and its text."""
    if evidence.support_features is None or evidence.support_labels is None:
        return {}
    labels = evidence.support_labels
    cosines = (evidence.support_features * evidence.text_classifier[labels]).sum(dim=1)
    return {
        name: float(cosines[labels == at].mean())
        for at, name in enumerate(classes)
        if bool((labels == at).any())
    }
