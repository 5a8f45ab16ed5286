"""A packaged classifier on another data set of the same classes, beside zero-shot with the same prompts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from PIL import Image

from susx.classifier.classifier import Classifier
from susx.evaluation.generalisation import columns_of
from susx.evaluation.interval import bootstrap_interval
from susx.evaluation.measure import Score, measure
from susx.evaluation.scores import top_k_correct

__all__ = ["Generalisation", "generalise"]


@dataclass(frozen=True, kw_only=True)
class Generalisation(Score):
    """What a classifier gives on another data set of ``classes`` of its classes; gains are over zero-shot, whose accuracy stands beside."""

    dataset: str
    classes: int
    zero_shot: float
    zero_shot_low: float
    zero_shot_high: float


def generalise(
    classifier: Classifier,
    dataset: str,
    images: Iterable[Image.Image],
    labels: Sequence[int],
    class_names: Sequence[str],
) -> Generalisation:
    """Measure a classifier on labelled images of another data set.

    Args:
        classifier: fitted on a data set that has all of the target's classes, matched by name.
        dataset: name of the target, for the row and for messages.
        images: of the target.
        labels: of the images; ``class_names[i]`` is label ``i``.
        class_names: of the target; a part of the classifier's classes is measured among itself.

    Raises:
        MismatchError: the target has a class that the classifier does not know.
        InputError: there are no images.
    """
    columns = torch.tensor(columns_of(classifier.class_names, class_names, dataset))
    features = classifier.encode(images)
    truth = torch.tensor(labels)
    prompts = classifier.stored.zero_shot
    plain = (prompts.logit_scale * features.pooled @ prompts.text.T)[:, columns]
    ours = classifier.logits(features)[:, columns]
    right = top_k_correct(plain, truth, 1)
    low, high = bootstrap_interval(int(right.sum()), len(truth))
    return Generalisation(
        dataset=dataset, classes=len(class_names), zero_shot=float(right.double().mean()), zero_shot_low=low, zero_shot_high=high,
        **vars(measure(ours, truth, reference=plain)),
    )  # fmt: skip
