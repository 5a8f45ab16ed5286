"""From features to the table: labels, doubts, and what people said of some images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Int64

from susx.labelling.label_table import checked
from susx.methods.functional.arrays import like
from susx.methods.functional.folder_accuracy import AccuracyEstimate, estimated_accuracy
from susx.methods.functional.folder_prototypes import NONE_OF_THESE, UNSAID, InductiveFit, label_folder
from susx.types import Digest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["METHOD", "VERSION", "Answers", "Judged", "answers", "label_columns", "label_images"]

METHOD = "folder_prototypes"

VERSION = 3
"""Raised whenever the same folder would get other labels."""


@dataclass(frozen=True)
class Judged:
    """The table of labels, and the share of them that is right: an estimate from the fit alone."""

    frame: pd.DataFrame
    estimate: AccuracyEstimate


@dataclass(frozen=True)
class Answers:
    """What people said, image by image.

    Attributes:
        labels: the label of each image, "" for none of these; None where nobody said anything.
        classes: the same as places in the class list: ``UNSAID``, or ``NONE_OF_THESE`` also where the label is a class that the fit
            does not know.
    """

    labels: tuple[str | None, ...]
    classes: Int64[np.ndarray, " query"]


def answers(
    digests: Sequence[Digest], groups: Sequence[int], classes: Sequence[str], corrected: Mapping[Digest, str]
) -> Answers:
    """Return what people said of each image. What is said of an image is said of its near-duplicates, unless these have an answer
    of their own, or the answers in the group differ."""
    of_group: dict[int, set[str]] = {}
    for digest, group in zip(digests, groups, strict=True):
        if digest in corrected:
            of_group.setdefault(group, set()).add(corrected[digest])
    labels: list[str | None] = []
    for digest, group in zip(digests, groups, strict=True):
        shared = of_group.get(group, set())
        labels.append(
            corrected[digest] if digest in corrected else next(iter(shared)) if len(shared) == 1 else None
        )
    column_of = {name: at for at, name in enumerate(classes)}
    numbers = [UNSAID if label is None else column_of.get(label, NONE_OF_THESE) for label in labels]
    return Answers(tuple(labels), np.array(numbers, dtype=np.int64))


def label_images(
    model: InductiveFit,
    features: Float32[np.ndarray, "query dim"],
    images: pd.DataFrame,
    classes: Sequence[str],
    corrected: Mapping[Digest, str],
) -> Judged:
    """Return the table of labels, and how right it may be. A file that lies there twice counts once.

    Args:
        model: what is known of the first ``len(model.text)`` of the classes.
        features: unit rows of the images.
        images: their ``path``, ``digest`` and ``group``.
        classes: class names.
        corrected: digest -> what a person said of it, "" for none of these.
    """
    columns, estimate = label_columns(
        model,
        features,
        images["digest"].to_numpy(dtype=object),
        images["group"].to_numpy(),
        classes,
        corrected,
    )
    return Judged(checked(images[["path", "digest", "group"]].assign(**columns)), estimate)


def label_columns(
    model: InductiveFit,
    features: Float32[np.ndarray, "query dim"],
    digest: np.ndarray,
    group: np.ndarray,
    classes: Sequence[str],
    corrected: Mapping[Digest, str],
) -> tuple[dict[str, np.ndarray], AccuracyEstimate]:
    """Return the columns of the table that judging fills, and the estimate; see :func:`label_images`."""
    class_names = np.array(tuple(classes)[: len(model.text)], dtype=object)
    digests, first, back = np.unique(digest.astype(str), return_index=True, return_inverse=True)
    groups = group[first]
    answered = answers(digests.tolist(), groups.tolist(), class_names.tolist(), corrected)
    fitted = label_folder(
        model, like(features[first], model.text), corrections=answered.classes, groups=groups
    )
    probabilities = np.asarray(fitted.probabilities, dtype=np.float64)
    outside = np.asarray(fitted.none_of_these, dtype=np.float64)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :2]
    rows = np.arange(len(order))
    best, second = class_names[order[:, 0]], np.full(len(rows), "", dtype=object)
    after = np.zeros(len(rows))
    if len(class_names) > 1:
        second, after = class_names[order[:, 1]], probabilities[rows, order[:, 1]]
    by_person = np.array([label is not None for label in answered.labels], dtype=bool)
    label = np.array(
        [best[at] if name is None else name for at, name in enumerate(answered.labels)], dtype=object
    )
    probability = np.where(by_person, 1.0, probabilities[rows, order[:, 0]])[back]
    second_probability = np.where(by_person, 0.0, after)[back]
    columns = {
        "label": label[back],
        "probability": probability,
        "second": np.where(by_person & (label != best), best, second)[back],
        "second_probability": second_probability,
        "margin": probability - second_probability,
        "none_of_these": np.where(by_person, label == "", outside).astype(float)[back],
        "by_person": by_person[back],
    }
    return columns, estimated_accuracy(fitted)
