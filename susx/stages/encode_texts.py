"""Stage ``encode-texts``: one class's sentences to unit vectors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from susx.config import EncoderConfig
from susx.store import ArtefactStore, Job
from susx.types import Json

__all__ = ["FILE", "run"]

FILE = "text.safetensors"


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``text.safetensors`` with ``sentences [prompts dim]`` and the model's ``logit_scale``."""
    import torch
    from safetensors.torch import save_file

    from susx.features.encoder import load_encoder

    encoder = load_encoder(EncoderConfig(**job.execution["encoder"]))
    rows = encoder.encode_texts(job.params["sentences"])
    scale = torch.tensor(encoder.logit_scale, dtype=torch.float64)
    save_file({"sentences": rows, "logit_scale": scale}, out / FILE)
    return {"sentences": len(rows)}
