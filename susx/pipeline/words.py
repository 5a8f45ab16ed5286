"""Stage ``words``: what a class is called in captions, where its name alone does not say it best (:mod:`susx.naming.words`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from susx.encoder_id import EncoderId
from susx.pipeline import examples, pool
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.outside import ENCODER, POOL
from susx.pipeline.parameters import Params
from susx.pipeline.retrieval import Retrieving, open_backend, retrieving
from susx.pipeline.stage import Stage
from susx.store import ArtefactStore, Job, Ref, digest_bytes
from susx.store.values import read_value, write_value
from susx.types import Json

if TYPE_CHECKING:
    from susx.naming.words import Words

__all__ = ["STAGE", "jobs", "of_class", "part_name", "read", "run"]

_MOST_CAPTIONS = 1_000_000
"""Counted in so many captions, spread evenly over a larger source."""
_NEAREST = 64
"""Images that are asked for a caption of an unnamed class."""


class _Params(Params):
    names: dict[str, tuple[str, ...]]
    """Class -> its name and the aliases that are no other class's name."""
    unnamed: tuple[str, ...]
    backend: Json
    encoder: EncoderId


def part_name(class_name: str) -> str:
    """Return the file of a class within the artefact; it depends on the name alone."""
    return digest_bytes(class_name.encode("utf-8", "surrogatepass"))[:24] + ".safetensors"


def of_class(class_name: str, plan: BuildPlan, done: Done) -> list[Ref]:
    """Return the words of a class, as an input of a job: none where its name is said as it is."""
    if class_name not in plan.aliases and class_name not in plan.unnamed:
        return []
    return [done.store.part(done.one(STAGE), part_name(class_name))]


def read(store: ArtefactStore, artefacts: Artefacts, class_name: str) -> Words | None:
    """Return the words of a class from the inputs of a job; None where its name is said as it is."""
    ref = artefacts.find(STAGE)
    if ref is None:
        return None
    from susx.naming.words import Words

    path = store.path(ref, ref.part or part_name(class_name))
    return read_value(path, Words) if path.is_file() else None


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job, where a class has aliases or no name and the pool has captions."""
    if not plan.aliases and not plan.unnamed:
        return []
    params = _Params(
        names={name: (name, *aliases) for name, aliases in plan.aliases.items()},
        unnamed=plan.unnamed, backend=plan.backend, encoder=plan.encoder,
    )  # fmt: skip
    shown = [ref for name, ref in done.all(examples.STAGE).items() if name in plan.unnamed]
    return [
        STAGE.job(
            plan, [*done.all(pool.STAGE).values(), *shown], params=params, execution=retrieving(plan)
        )
    ]  # fmt: skip


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write the words of each class to a file of its own.

    Raises:
        InputError: no example of an unnamed class can be decoded, or no image like them has a caption.
    """
    from susx.features.encoder import load_encoder
    from susx.images.retrieve import Query
    from susx.images.retrieve.backends.capabilities import GivesCaptions, SearchesVectors
    from susx.naming.words import describe, most_frequent_names

    params, inputs = _Params.of(job), Artefacts.of(job)
    settings = Retrieving.of(job)
    backend = open_backend(settings, store, inputs.find(pool.STAGE), params.backend, params.encoder)
    assert isinstance(backend, GivesCaptions)
    chosen = most_frequent_names(params.names, backend.captions(_MOST_CAPTIONS)) if params.names else {}
    for class_name in params.unnamed:
        example = examples.features(store, inputs.all(examples.STAGE)[class_name]).mean
        query = Query(class_name, "", "", _NEAREST)
        assert isinstance(backend, SearchesVectors)
        nearest = [] if example is None else backend.search_vectors([query], example.numpy())[0]
        captions = [candidate.caption for candidate in nearest]
        chosen[class_name] = describe(
            class_name, example, captions, load_encoder(settings.encoder).encode_texts
        )
    for class_name, of_class in chosen.items():
        write_value(out / part_name(class_name), of_class)
    changed = sum(of_class.name != class_name for class_name, of_class in chosen.items())
    return {"classes": len(chosen), "called otherwise": changed, "described by captions": len(params.unnamed)}


STAGE = Stage("words", 3, run, "Choose words", jobs, outside=(ENCODER, POOL))
"""One job for all classes; the words of each are a file of their own, so that a change touches that class only."""
