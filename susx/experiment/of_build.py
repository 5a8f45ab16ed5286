"""From what a build made to what a method may look at: evidence to fit on, features to classify."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from susx.datasets.encoded_split import EncodedSplit
from susx.encoder_id import EncoderId
from susx.images.support.combine_sources import SupportFeatures
from susx.methods.evidence import Evidence, ImageFeatures
from susx.methods.pool_statistics import PoolStatistics
from susx.naming.text_classifier import TextClassifier
from susx.records import SupportRow

__all__ = ["evidence_of", "labelled_features"]


def evidence_of(
    text: TextClassifier,
    support: Sequence[SupportRow],
    features: SupportFeatures,
    classes: Sequence[str],
    *,
    validation: EncodedSplit | None = None,
    pool: PoolStatistics | None = None,
    encoder: EncoderId = EncoderId(),
) -> Evidence:
    """Return the evidence of a fit.

    Labels are made here, from class names and the order of ``classes``. Those that a person said are marked; the others are guesses, whoever
    made them.

    Args:
        text: the text classifier.
        support: every candidate, kept or rejected.
        features: of those that are kept.
        classes: class names in label order.
        validation: a labelled split, where tuning may see it.
        pool: its statistics, classes in the order of the text classifier.
        encoder: what encoded them, for methods that carry weights of their own.
    """
    label = {name: row for row, name in enumerate(classes)}
    row_of = {name: row for row, name in enumerate(text.names)}
    kept = [row for row in support if row.kept]
    seen, labels = (None, None) if validation is None else labelled_features(validation, classes)
    ordered = text.of(classes)
    return Evidence(
        text_classifier=ordered.rows,
        logit_scale=text.logit_scale,
        support_features=features.image,
        support_labels=torch.tensor([label[row.class_name] for row in kept], dtype=torch.int64),
        support_patches=features.patches,
        support_adapted=features.adapted,
        support_labelled=torch.tensor([row.origin == "provided" for row in kept], dtype=torch.bool),
        class_names=tuple(classes),
        encoder=encoder,
        pool=None if pool is None else pool.of_classes(torch.tensor([row_of[name] for name in classes])),
        validation_features=None if seen is None else seen.pooled,
        validation_labels=labels,
        validation_patches=None if seen is None else seen.patches,
        validation_adapted=None if seen is None else seen.adapted,
    )


def labelled_features(
    split: EncodedSplit, classes: Sequence[str]
) -> tuple[ImageFeatures, Int64[Tensor, " query"]]:
    """Return the features of a split and its labels as places in ``classes``."""
    label = {name: row for row, name in enumerate(classes)}
    labels = torch.tensor([label[name] for name in split.labels], dtype=torch.int64)
    return ImageFeatures(split.image, split.patches, split.adapted, split.views), labels
