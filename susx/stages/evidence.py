"""From artefacts to what a method may look at: evidence to fit on, features to classify."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from susx.methods import Evidence, ImageFeatures
from susx.stages import curate, target, text_classifier
from susx.store import ArtefactStore, Ref

__all__ = ["load_evidence", "load_target"]


def load_evidence(store: ArtefactStore, inputs: Mapping[str, Ref], classes: Sequence[str]) -> Evidence:
    """Return the evidence of a fit: inputs ``text``, ``support`` and, where tuning may see it, ``val``.

    Labels are made here, from class names and the order of ``classes``.
    """
    import torch
    from safetensors.torch import load_file

    from susx.support import read_support

    names = json.loads(store.path(inputs["text"], "classes.json").read_text(encoding="utf-8"))
    text = load_file(store.path(inputs["text"], text_classifier.FILE))
    place = {name: row for row, name in enumerate(names)}
    label = {name: row for row, name in enumerate(classes)}
    kept = [row for row in read_support(store.path(inputs["support"], curate.TABLE)) if row.kept]
    support = load_file(store.path(inputs["support"], curate.FEATURES))
    validation: dict[str, Any] = {}
    if "val" in inputs:
        features, labels = load_target(store, inputs["val"], classes)
        validation = {
            "validation_features": features.pooled,
            "validation_labels": labels,
            "validation_patches": features.patches,
        }
    return Evidence(
        text_classifier=text["text"][[place[name] for name in classes]],
        logit_scale=float(text["logit_scale"]),
        support_features=support.get("image"),
        support_labels=torch.tensor([label[row.class_name] for row in kept], dtype=torch.int64),
        support_patches=support.get("patches"),
        class_names=tuple(classes),
        **validation,
    )


def load_target(store: ArtefactStore, ref: Ref, classes: Sequence[str]) -> tuple[ImageFeatures, Any]:
    """Return the features of a target split and its labels as places in ``classes``."""
    import torch
    from safetensors.torch import load_file

    tensors = load_file(store.path(ref, target.FILE))
    names = json.loads(store.path(ref, target.LABELS).read_text(encoding="utf-8"))["labels"]
    label = {name: row for row, name in enumerate(classes)}
    features = ImageFeatures(tensors["image"], tensors.get("patches"))
    return features, torch.tensor([label[name] for name in names], dtype=torch.int64)
