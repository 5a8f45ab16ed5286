"""The training of Meta-Adapter's attention on base classes, and the record of it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from susx.methods.base import Run
from susx.methods.evidence import Evidence
from susx.methods.meta_adapter import MetaAdapter, refine
from susx.methods.training import Recipe, Trained, digest_tensors, stable_order, train
from susx.seeds import derive_seed
from susx.store.disk import write_atomically
from susx.store.fingerprint import digest_bytes

__all__ = ["RECIPE", "first_weights", "meta_train", "train_weights"]

RECIPE = Recipe(epochs=5, batch=64, rate=1e-4, eps=1e-4)
"""As published: AdamW, a cosine."""


def first_weights(width: int, seed: int = 0) -> dict[str, Tensor]:
    """Return untrained weights: xavier for all three layers, the gate's bias 1."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "meta_adapter", "layers"))

    def xavier(out: int) -> Tensor:
        bound = math.sqrt(6 / (out + width))
        return (torch.rand(out, width, generator=generator) * 2 - 1) * bound

    return {"query": xavier(width), "key": xavier(width), "gate": xavier(1), "bias": torch.ones(1)}


def train_weights(evidence: Evidence, recipe: Recipe = RECIPE, run: Run = Run()) -> Trained:
    """Train attention and gate on base classes.

    The images of a batch are classified by prompts that all *other* support images refined: an image is never evidence
    of its own class. (The public code overwrites the evidence with the batch, and takes the best epoch on test.) The last
    epoch is taken.

    Args:
        evidence: prompts and labelled shots of the base classes.
        recipe, run: how.

    Raises:
        NoSupportError: no support images.
        TrainingError: the loss is not finite.
    """
    features, labels = evidence.support("meta_train")
    text, scale = evidence.text_classifier, float(evidence.logit_scale)
    order = stable_order(features, labels, text)
    features, labels = features[order], labels[order]
    prompts, seen, truth = (tensor.to(run.device) for tensor in (text, features, labels))

    def loss(now: Mapping[str, Tensor], rows: Tensor, generator: torch.Generator) -> Tensor:
        others = torch.ones(len(seen), dtype=torch.bool, device=rows.device)
        others[rows] = False
        refined = refine(now, prompts, seen[others], truth[others])
        return torch.nn.functional.cross_entropy(scale * (seen[rows] @ refined.T), truth[rows])

    start = first_weights(text.shape[1], run.seed)
    ingredients = f"{digest_tensors(features, labels, text)} {scale}"
    return train("meta_adapter", start, len(features), loss, recipe, run, evidence=ingredients)


def meta_train(
    evidence: Evidence, path: Path, *, recipe: Recipe = RECIPE, run: Run = Run(), source: str = ""
) -> MetaAdapter:
    """Train on base classes, write the weights and a record beside them, and return the method that uses them.

    Args:
        evidence: prompts and labelled shots of the base classes.
        path: of the weights, safetensors; the record is the same name with ``.json``.
        recipe, run: how.
        source: what was trained on, for the record.

    Raises:
        NoSupportError: no support images.
        TrainingError: the loss is not finite.
    """
    trained = train_weights(evidence, recipe, run)
    encoder = {"encoder": evidence.encoder.model, "encoder_digest": evidence.encoder.digest}
    # In the file itself as well: its digest covers it, and the record may be left behind.
    data = save(
        {name: value.contiguous() for name, value in trained.parameters.items()},
        {"susx": json.dumps(encoder, sort_keys=True)},
    )
    labels = evidence.support("meta_train")[1]
    record = {
        "method": MetaAdapter.name, "version": MetaAdapter.version, "weights": digest_bytes(data),
        "width": evidence.text_classifier.shape[1], "parameters": sum(v.numel() for v in trained.parameters.values()),
        "source": source, **encoder, "classes": evidence.classes, "class_names": evidence.class_names, "images": len(labels),
        "evidence": digest_tensors(evidence.text_classifier, evidence.support_features, labels),
        "logit_scale": float(evidence.logit_scale), "recipe": asdict(recipe), "seed": run.seed,
        "losses": trained.losses, "seconds": round(trained.seconds, 3),
    }  # fmt: skip
    write_atomically(path, data)
    write_atomically(path.with_suffix(".json"), json.dumps(record, indent=1).encode())
    return MetaAdapter(str(path))
