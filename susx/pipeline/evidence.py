"""From artefacts to what a method may look at: evidence to fit on, features to classify."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from susx.methods import Evidence, ImageFeatures
from susx.pipeline import curate, pool_statistics, target, text_classifier
from susx.pipeline.parameters import EncoderKey
from susx.store import ArtefactStore, Ref

__all__ = ["load_evidence", "load_target"]


def load_evidence(
    store: ArtefactStore,
    text: Ref,
    support: Ref,
    classes: Sequence[str],
    *,
    validation: Ref | None = None,
    pool: Ref | None = None,
    encoder: EncoderKey | None = None,
) -> Evidence:
    """Return the evidence of a fit: text classifier, curated support and, where there are some, the statistics of the
    pool and (where tuning may see it) a labelled split.

    Labels are made here, from class names and the order of ``classes``. Those that a person said are marked; the others are guesses, whoever
    made them.
    """
    import torch
    from safetensors.torch import load_file

    from susx.images.support import read_support

    weights, scale = text_classifier.load(store, text, classes)
    label = {name: row for row, name in enumerate(classes)}
    kept = [row for row in read_support(store.path(support, curate.TABLE)) if row.kept]
    tensors = load_file(store.path(support, curate.FEATURES))
    labelled: dict[str, Any] = {}
    if validation is not None:
        features, labels = load_target(store, validation, classes)
        labelled = {
            "validation_features": features.pooled,
            "validation_labels": labels,
            "validation_patches": features.patches,
            "validation_adapted": features.adapted,
        }
    return Evidence(
        text_classifier=weights,
        logit_scale=scale,
        support_features=tensors.get("image"),
        support_labels=torch.tensor([label[row.class_name] for row in kept], dtype=torch.int64),
        support_patches=tensors.get("patches"),
        support_adapted=tensors.get("adapted"),
        support_labelled=torch.tensor([row.origin == "provided" for row in kept], dtype=torch.bool),
        class_names=tuple(classes),
        encoder=encoder.model if encoder else "",
        encoder_digest=encoder.digest if encoder else "",
        pool=pool_statistics.load(store, pool, text, classes) if pool else None,
        **labelled,
    )


def load_target(store: ArtefactStore, ref: Ref, classes: Sequence[str]) -> tuple[ImageFeatures, Any]:
    """Return the features of a target split and its labels as places in ``classes``."""
    import torch
    from safetensors.torch import load_file

    tensors = load_file(store.path(ref, target.FILE))
    names = target.read_labels(store, ref)["labels"]
    label = {name: row for row, name in enumerate(classes)}
    features = ImageFeatures(
        tensors["image"], tensors.get("patches"), tensors.get("adapted"), tensors.get("views")
    )
    return features, torch.tensor([label[name] for name in names], dtype=torch.int64)
