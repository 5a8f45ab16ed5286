"""Stage ``prompts``: the sentences of every class, written down for people and for the record.

Later stages take their sentences as parameters, class by class, so a changed sentence touches one class only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from susx.stages.build_plan import BuildPlan
from susx.stages.done import Done
from susx.stages.parameters import Params
from susx.stages.stage import Stage
from susx.store import ArtefactStore, Job
from susx.types import Json

__all__ = ["STAGE", "jobs", "run"]


class _Params(Params):
    sentences: dict[str, dict[str, list[str]]]
    """Class -> ``images`` and ``classify`` -> sentences."""


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job for all classes."""
    sentences = {
        name: {"images": [prompt.text for prompt in of.images], "classify": list(of.classify)}
        for name, of in plan.sentences.items()
    }
    return [STAGE.job(plan, params=_Params(sentences=sentences))]


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``prompts.json``: class -> {"images": [...], "classify": [...]}."""
    sentences = _Params.of(job).sentences
    (out / "prompts.json").write_text(json.dumps(sentences, indent=1, ensure_ascii=False), encoding="utf-8")
    return {
        "classes": len(sentences),
        "sentences": sum(len(kinds["images"]) + len(kinds["classify"]) for kinds in sentences.values()),
    }


STAGE = Stage("prompts", 1, run, "Write prompts", jobs)
