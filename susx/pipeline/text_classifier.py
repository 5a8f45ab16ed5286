"""Stage ``text-classifier``: the mean sentence of every class as one unit row, classes sorted by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from susx.pipeline import encode_texts
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.stage import Stage
from susx.pipeline.value import keep, load
from susx.store import ArtefactStore, Job, Ref
from susx.types import Json

if TYPE_CHECKING:
    from susx.naming.text_classifier import TextClassifier

__all__ = ["STAGE", "jobs", "read", "run"]


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job for all classes."""
    return [STAGE.job(plan, done.all(encode_texts.STAGE).values())]


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write the :class:`~susx.naming.text_classifier.TextClassifier` of all classes."""
    from susx.naming.class_text import ClassText
    from susx.naming.text_classifier import text_classifier

    texts = Artefacts.of(job).all(encode_texts.STAGE)
    classifier = text_classifier({name: load(store, ref, ClassText) for name, ref in texts.items()})
    keep(out, classifier)
    return {"classes": len(classifier.names)}


def read(store: ArtefactStore, ref: Ref) -> TextClassifier:
    """Return the text classifier, its classes sorted by name."""
    from susx.naming.text_classifier import TextClassifier

    return load(store, ref, TextClassifier)


STAGE = Stage("text-classifier", 2, run, "Average sentences", jobs)
