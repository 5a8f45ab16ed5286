"""Stage ``text-classifier``: the mean sentence of every class as one unit row, classes sorted by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from susx.stages import encode_texts
from susx.store import ArtefactStore, Job
from susx.types import Json

__all__ = ["FILE", "run"]

FILE = "classifier.safetensors"


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``classifier.safetensors`` (``text [classes dim]``, ``logit_scale``) and ``classes.json``."""
    from safetensors.torch import load_file, save_file

    from susx.prompts.classifier import classifier_from_sentences

    names = sorted(job.inputs)
    files = {name: load_file(store.path(job.inputs[name], encode_texts.FILE)) for name in names}
    weights = classifier_from_sentences({name: files[name]["sentences"] for name in names})
    save_file({"text": weights.contiguous(), "logit_scale": files[names[0]]["logit_scale"]}, out / FILE)
    (out / "classes.json").write_text(json.dumps(names, ensure_ascii=False), encoding="utf-8")
    return {"classes": len(names)}
