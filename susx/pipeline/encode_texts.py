"""Stage ``encode-texts``: one class's sentences to unit vectors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from susx.encoder_id import EncoderId
from susx.pipeline import words
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.outside import ENCODER
from susx.pipeline.parameters import Encoding, Params
from susx.pipeline.stage import Stage
from susx.pipeline.value import keep
from susx.store import ArtefactStore, Job
from susx.types import Json

__all__ = ["STAGE", "jobs", "run"]


class _Params(Params):
    sentences: tuple[str, ...]
    aliases: dict[str, tuple[str, ...]]
    """What is said of the class by each alias; which one, the stage ``words`` tells."""
    encoder: EncoderId


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job a class."""
    execution = Encoding(encoder=plan.profile.encoder)
    return [
        STAGE.job(
            plan, words.of_class(name, plan, done), subject=name, execution=execution,
            params=_Params(
                sentences=of.classify, encoder=plan.encoder,
                aliases={alias: by_alias.classify for alias, by_alias in plan.aliases.get(name, {}).items()},
            ),
        )
        for name, of in plan.sentences.items()
    ]  # fmt: skip


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write the :class:`~susx.naming.class_text.ClassText` of one class."""
    from susx.features.encoder import load_encoder
    from susx.naming.class_text import encode_class

    params, sentences = _Params.of(job), _Params.of(job).sentences
    if (chosen := words.read(store, Artefacts.of(job), job.subject)) is not None:
        sentences = chosen.sentences or params.aliases.get(chosen.name, sentences)
    text = encode_class(load_encoder(Encoding.of(job).encoder), sentences, params.sentences)
    keep(out, text)
    return {"sentences": len(text.sentences)}


STAGE = Stage("encode-texts", 2, run, "Encode sentences", jobs, device=True, outside=(ENCODER,))
