"""From features to the table: labels, doubts, and what people said of some images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float32, Int64

from susx.labelling.model import ClassModel
from susx.labelling.table import checked
from susx.types import Digest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["METHOD", "UNSAID", "Answers", "answers", "label_images"]

METHOD = "whitened_prototypes"

UNSAID = -1
NONE_OF_THESE = -2


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
    digests: Sequence[Digest], groups: Sequence[int], classes: Sequence[str], said: Mapping[Digest, str]
) -> Answers:
    """Return what people said of each image. What is said of an image is said of its near-duplicates, unless these have an answer
    of their own, or the answers in the group differ."""
    of_group: dict[int, set[str]] = {}
    for digest, group in zip(digests, groups, strict=True):
        if digest in said:
            of_group.setdefault(group, set()).add(said[digest])
    labels: list[str | None] = []
    for digest, group in zip(digests, groups, strict=True):
        shared = of_group.get(group, set())
        labels.append(said[digest] if digest in said else next(iter(shared)) if len(shared) == 1 else None)
    place = {name: at for at, name in enumerate(classes)}
    numbers = [UNSAID if label is None else place.get(label, NONE_OF_THESE) for label in labels]
    return Answers(tuple(labels), np.array(numbers, dtype=np.int64))


def label_images(
    model: ClassModel,
    features: Float32[np.ndarray, "query dim"],
    images: pd.DataFrame,
    classes: Sequence[str],
    said: Mapping[Digest, str],
) -> pd.DataFrame:
    """Return the table of labels.

    Args:
        model: what is known of the first ``len(model.text)`` of the classes.
        features: unit rows of the images.
        images: their ``path``, ``digest`` and ``group``.
        classes: class names.
        said: digest -> what a person said of it, "" for none of these.
    """
    known = tuple(classes)[: len(model.text)]
    given = answers(list(images["digest"]), list(images["group"]), known, said)
    probabilities, outside = _fit(model, torch.from_numpy(features))
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :2]
    rows = np.arange(len(order))
    best = np.array(known, dtype=object)[order[:, 0]]
    first = probabilities[rows, order[:, 0]]
    one_class = len(known) < 2
    second = np.full(len(rows), "", dtype=object) if one_class else np.array(known, dtype=object)[order[:, 1]]
    after = np.zeros(len(rows)) if one_class else probabilities[rows, order[:, 1]]
    is_said = np.array([label is not None for label in given.labels], dtype=bool)
    label = np.array(
        [best[at] if name is None else name for at, name in enumerate(given.labels)], dtype=object
    )
    frame = images[["path", "digest", "group"]].assign(
        label=label,
        probability=np.where(is_said, 1.0, first),
        second=np.where(is_said & (label != best), best, second),
        second_probability=np.where(is_said, 0.0, after),
        none_of_these=np.where(is_said, label == "", outside).astype(float),
        said=is_said,
    )
    frame["margin"] = frame["probability"] - frame["second_probability"]
    return checked(frame)


def _fit(model: ClassModel, rows: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities [query, classes] and the score of "none of these" [query]."""
    from susx.methods.functional.whitened_prototypes import prototype_scores

    logits = model.logit_scale * (rows @ model.text.T) - model.offset
    logits = logits + prototype_scores(rows, model.mean, model.matrix, model.prototypes)
    probabilities = logits.softmax(dim=1).double().numpy()
    best = probabilities.max(axis=1) if len(probabilities) else np.zeros(0)
    return probabilities, 1 - best
