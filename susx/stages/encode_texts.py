"""Stage ``encode-texts``: one class's sentences to unit vectors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from susx.stages.build_plan import BuildPlan
from susx.stages.done import Done
from susx.stages.parameters import EncoderKey, Encoding, Params
from susx.stages.stage import Stage
from susx.store import ArtefactStore, Job
from susx.types import Json

__all__ = ["FILE", "STAGE", "jobs", "run"]

FILE = "text.safetensors"


class _Params(Params):
    sentences: tuple[str, ...]
    encoder: EncoderKey


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job a class."""
    execution = Encoding(encoder=plan.profile.encoder)
    return [
        STAGE.job(
            plan, subject=name, params=_Params(sentences=of.classify, encoder=plan.encoder), execution=execution
        )
        for name, of in plan.sentences.items()
    ]  # fmt: skip


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``text.safetensors`` with ``sentences [prompts dim]`` and the model's ``logit_scale``."""
    import torch
    from safetensors.torch import save_file

    from susx.features.encoder import load_encoder

    encoder = load_encoder(Encoding.of(job).encoder)
    rows = encoder.encode_texts(_Params.of(job).sentences)
    scale = torch.tensor(encoder.logit_scale, dtype=torch.float64)
    save_file({"sentences": rows, "logit_scale": scale}, out / FILE)
    return {"sentences": len(rows)}


STAGE = Stage("encode-texts", 1, run, "Encode sentences", jobs, device=True)
