"""Stage ``encode-texts``: one class's sentences to unit vectors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from susx.pipeline import words
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.outside import ENCODER
from susx.pipeline.parameters import EncoderKey, Encoding, Params
from susx.pipeline.stage import Stage
from susx.store import ArtefactStore, Job
from susx.types import Json

__all__ = ["FILE", "STAGE", "jobs", "run"]

FILE = "text.safetensors"


class _Params(Params):
    sentences: tuple[str, ...]
    aliases: dict[str, tuple[str, ...]]
    """What is said of the class by each alias; which one, the stage ``words`` tells."""
    encoder: EncoderKey


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job a class."""
    execution = Encoding(encoder=plan.profile.encoder)
    return [
        STAGE.job(
            plan, words.of_class(name, plan, done), subject=name, execution=execution,
            params=_Params(
                sentences=of.classify, encoder=plan.encoder,
                aliases={alias: said.classify for alias, said in plan.aliases.get(name, {}).items()},
            ),
        )
        for name, of in plan.sentences.items()
    ]  # fmt: skip


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``text.safetensors`` with ``sentences [prompts dim]`` and the model's ``logit_scale``.

    Where the class is not called by its name, ``by_own_name`` holds the sentences that it would have had.
    """
    import torch
    from safetensors.torch import save_file

    from susx.features.encoder import load_encoder

    encoder, params = load_encoder(Encoding.of(job).encoder), _Params.of(job)
    said, sentences = words.read(store, Artefacts.of(job), job.subject), params.sentences
    if said is not None:
        sentences = said.sentences or params.aliases.get(said.name, params.sentences)
    rows = encoder.encode_texts(sentences)
    tensors = {"sentences": rows, "logit_scale": torch.tensor(encoder.logit_scale, dtype=torch.float64)}
    if sentences != params.sentences:
        tensors["by_own_name"] = encoder.encode_texts(params.sentences)
    save_file(tensors, out / FILE)
    return {"sentences": len(rows)}


STAGE = Stage("encode-texts", 2, run, "Encode sentences", jobs, device=True, outside=(ENCODER,))
