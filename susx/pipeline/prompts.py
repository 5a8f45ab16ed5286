"""Stage ``prompts``: the sentences of every class, written down for people and for the record.

Later stages take their sentences as parameters, class by class, so a changed sentence touches one class only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from susx.pipeline import words
from susx.pipeline.build_plan import BuildPlan, Sentences
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.parameters import Params
from susx.pipeline.stage import Stage
from susx.store import ArtefactStore, Job
from susx.types import Json

__all__ = ["STAGE", "jobs", "run"]


class _Params(Params):
    sentences: dict[str, dict[str, list[str]]]
    """Class -> ``images`` and ``classify`` -> sentences."""
    aliases: dict[str, dict[str, dict[str, list[str]]]]
    """Class -> alias -> the same."""


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job for all classes."""
    sentences = {name: _listed(of) for name, of in plan.sentences.items()}
    aliases = {
        name: {a: _listed(of) for a, of in by_alias.items()} for name, by_alias in plan.aliases.items()
    }
    return [
        STAGE.job(
            plan, done.all(words.STAGE).values(), params=_Params(sentences=sentences, aliases=aliases)
        )
    ]  # fmt: skip


def _listed(of: Sentences) -> dict[str, list[str]]:
    return {"images": [prompt.text for prompt in of.images], "classify": list(of.classify)}


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``prompts.json``: class -> {"images": [...], "classify": [...]}."""
    params, inputs = _Params.of(job), Artefacts.of(job)
    sentences = dict(params.sentences)
    for name in sentences:
        if (chosen := words.read(store, inputs, name)) is None:
            continue
        if chosen.sentences:
            sentences[name] = {"images": list(chosen.sentences), "classify": list(chosen.sentences)}
        elif chosen.name in params.aliases.get(name, {}):
            sentences[name] = params.aliases[name][chosen.name]
    (out / "prompts.json").write_text(json.dumps(sentences, indent=1, ensure_ascii=False), encoding="utf-8")
    return {
        "classes": len(sentences),
        "sentences": sum(len(kinds["images"]) + len(kinds["classify"]) for kinds in sentences.values()),
    }


STAGE = Stage("prompts", 1, run, "Write prompts", jobs)
