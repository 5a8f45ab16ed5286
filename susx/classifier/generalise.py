"""A packaged classifier on another data set of the same classes, beside zero-shot with the same prompts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from PIL import Image

from susx.classifier.classifier import Classifier
from susx.evaluation.comparison import compare
from susx.evaluation.generalisation import columns_of
from susx.evaluation.summary import score

__all__ = ["Generalisation", "generalise"]


@dataclass(frozen=True)
class Generalisation:
    """Top-1 as a fraction with its 95 % bootstrap interval, on ``n`` images of ``classes`` classes.

    ``gain`` is ``top1 - zero_shot`` with its paired bootstrap interval, ``p_value`` McNemar's.
    """

    dataset: str
    classes: int
    n: int
    zero_shot: float
    zero_shot_low: float
    zero_shot_high: float
    top1: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float
    p_value: float


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
    before, after = score(plain, truth), score(ours, truth)
    paired = compare(plain.argmax(dim=1) == truth, ours.argmax(dim=1) == truth)
    return Generalisation(
        dataset, len(class_names), len(truth), before.top1, before.low, before.high, after.top1, after.low,
        after.high, paired.gain, paired.low, paired.high, paired.p_value,
    )  # fmt: skip
