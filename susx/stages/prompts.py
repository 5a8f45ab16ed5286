"""Stage ``prompts``: the sentences of every class, written down for people and for the record.

Later stages take their sentences as parameters, class by class, so a changed sentence touches one class only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from susx.store import ArtefactStore, Job
from susx.types import Json

__all__ = ["run"]


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``prompts.json``: class -> {"images": [...], "classify": [...]}."""
    sentences = job.params["sentences"]
    (out / "prompts.json").write_text(json.dumps(sentences, indent=1, ensure_ascii=False), encoding="utf-8")
    return {
        "classes": len(sentences),
        "sentences": sum(len(kinds["images"]) + len(kinds["classify"]) for kinds in sentences.values()),
    }
