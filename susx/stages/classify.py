"""Stage ``classify``: the logits of one fitted method on one target split."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from susx.stages import fit
from susx.store import ArtefactStore, Job
from susx.types import Json

__all__ = ["FILE", "run"]

FILE = "logits.safetensors"


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``logits.safetensors``: ``<split> [query classes]`` and ``<split>_labels [query]`` for val and test."""
    from safetensors.torch import save_file

    from susx.methods.state import load_fitted
    from susx.stages.evidence import load_target

    fitted = load_fitted(store.path(job.inputs["classifier"], fit.FILE))
    tensors = {}
    for split in ("val", "test"):
        if split in job.inputs:
            features, labels = load_target(store, job.inputs[split], job.params["classes"])
            tensors[split] = fitted.logits(features).contiguous()
            tensors[f"{split}_labels"] = labels
    save_file(tensors, out / FILE)
    labels, logits = tensors["test_labels"], tensors["test"]
    correct = int((logits.argmax(dim=1) == labels).sum())
    return {"images": len(labels), "correct": correct}
