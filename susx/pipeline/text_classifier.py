"""Stage ``text-classifier``: the mean sentence of every class as one unit row, classes sorted by name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from susx.pipeline import encode_texts
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.stage import Stage
from susx.store import ArtefactStore, Job, Ref
from susx.types import Json

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FILE", "STAGE", "class_names", "jobs", "load", "load_by_own_name", "run"]

FILE = "classifier.safetensors"
_NAMES = "classes.json"


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job for all classes."""
    return [STAGE.job(plan, done.all(encode_texts.STAGE).values())]


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``classifier.safetensors`` (``text [classes dim]``, ``logit_scale``) and ``classes.json``.

    Where a class is not called by its name, ``by_own_name`` holds the rows that the names as given would have made.
    """
    from safetensors.torch import load_file, save_file

    from susx.naming.classifier import classifier_from_sentences

    texts = Artefacts.of(job).all(encode_texts.STAGE)
    names = sorted(texts)
    files = {name: load_file(store.path(texts[name], encode_texts.FILE)) for name in names}
    weights = classifier_from_sentences({name: files[name]["sentences"] for name in names})
    tensors = {"text": weights.contiguous(), "logit_scale": files[names[0]]["logit_scale"]}
    if any("by_own_name" in file for file in files.values()):
        by_own_name = {name: file.get("by_own_name", file["sentences"]) for name, file in files.items()}
        tensors["by_own_name"] = classifier_from_sentences(by_own_name).contiguous()
    save_file(tensors, out / FILE)
    (out / _NAMES).write_text(json.dumps(names, ensure_ascii=False), encoding="utf-8")
    return {"classes": len(names)}


def class_names(store: ArtefactStore, ref: Ref) -> list[str]:
    """Return the classes of the rows of a text classifier."""
    names: list[str] = json.loads(store.path(ref, _NAMES).read_text(encoding="utf-8"))
    return names


def load(store: ArtefactStore, ref: Ref, classes: Sequence[str]) -> tuple[Tensor, float]:
    """Return the unit rows in the order of ``classes``, and the logit scale."""
    from safetensors.torch import load_file

    place = {name: row for row, name in enumerate(class_names(store, ref))}
    tensors = load_file(store.path(ref, FILE))
    return tensors["text"][[place[name] for name in classes]], float(tensors["logit_scale"])


def load_by_own_name(store: ArtefactStore, ref: Ref, classes: Sequence[str]) -> Tensor | None:
    """Return the rows that the names as given would have made, in the order of ``classes``; None where they are the same."""
    from safetensors.torch import load_file

    place = {name: row for row, name in enumerate(class_names(store, ref))}
    given = load_file(store.path(ref, FILE)).get("by_own_name")
    return None if given is None else given[[place[name] for name in classes]]


STAGE = Stage("text-classifier", 2, run, "Average sentences", jobs)
