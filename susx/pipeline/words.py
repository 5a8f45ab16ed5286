"""Stage ``words``: what a class is called in captions, where its name alone does not say it best.

Of a class's name and aliases the one that most captions of the pool hold is said in its place (frequent synonyms raise zero-shot
accuracy: Parashar et al., "The neglected tails in vision-language models", CVPR 2024). An unnamed class is described by captions of the
images of the pool that are most like its examples.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from susx.config.spelling import NameFinder
from susx.errors import InputError
from susx.pipeline import examples, pool
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.outside import ENCODER, POOL
from susx.pipeline.parameters import EncoderKey, Params
from susx.pipeline.retrieval import Retrieving, open_backend, retrieving
from susx.pipeline.stage import Stage
from susx.store import ArtefactStore, Job, Ref, digest_bytes
from susx.types import Json

__all__ = ["STAGE", "Words", "jobs", "of_class", "part_name", "read", "run"]

_MOST_CAPTIONS = 1_000_000
"""Counted in so many captions, spread evenly over a larger source."""
_NEAREST = 64
_SENTENCES = 10
"""Captions that describe an unnamed class, those that agree best with its examples: as many sentences as the paper searches with."""


@dataclass(frozen=True)
class Words:
    """What is said of a class.

    Attributes:
        name: its name or the alias that is said in its place.
        counts: captions that hold each of them; empty for an unnamed class.
        captions: how many were looked at.
        sentences: captions that describe an unnamed class.
    """

    name: str
    counts: Mapping[str, int]
    captions: int
    sentences: tuple[str, ...] = ()


class _Params(Params):
    names: dict[str, tuple[str, ...]]
    """Class -> its name and the aliases that are no other class's name."""
    unnamed: tuple[str, ...]
    backend: Json
    encoder: EncoderKey


def part_name(class_name: str) -> str:
    """Return the file of a class within the artefact; it depends on the name alone."""
    return digest_bytes(class_name.encode("utf-8", "surrogatepass"))[:24] + ".json"


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
    path = store.path(ref, ref.part or part_name(class_name))
    if not path.is_file():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Words(**{**found, "sentences": tuple(found["sentences"])})


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
    """Write one JSON a class.

    Raises:
        InputError: no example of an unnamed class can be decoded, or no image like them has a caption.
    """
    params, inputs = _Params.of(job), Artefacts.of(job)
    backend = open_backend(Retrieving.of(job), store, inputs.find(pool.STAGE), params.backend, params.encoder)
    found: dict[str, Words] = {}
    if params.names:
        captions = backend.captions(_MOST_CAPTIONS)
        finder = NameFinder(name for names in params.names.values() for name in names)
        counts = Counter(name for caption in captions for name in finder.names_in(caption or ""))
        for class_name, names in params.names.items():
            # Of equals the first: the name itself, then the aliases as they are listed.
            said = max(names, key=lambda name: counts[name])
            found[class_name] = Words(said, {name: counts[name] for name in names}, len(captions))
    for class_name in params.unnamed:
        found[class_name] = _described(class_name, store, inputs.all(examples.STAGE)[class_name], backend)
    for class_name, words in found.items():
        text = json.dumps(dataclasses.asdict(words), ensure_ascii=True, indent=1)
        (out / part_name(class_name)).write_text(text, encoding="utf-8")
    changed = sum(words.name != class_name for class_name, words in found.items())
    return {"classes": len(found), "called otherwise": changed, "described by captions": len(params.unnamed)}


def _described(class_name: str, store: ArtefactStore, shown: Ref, backend: Any) -> Words:
    from susx.images.retrieve import Query
    from susx.naming.sentences import clean

    vector = examples.mean_image(store, shown)
    if vector is None:
        raise InputError(
            f"'{class_name}' is unnamed and none of its examples can be decoded; give images that can, or a name."
        )
    query = Query(class_name, "", "", _NEAREST)
    results = backend.search_vectors([query], vector.numpy())[0]
    sentences: Sequence[str] = clean([candidate.caption for candidate in results if candidate.caption])
    if not sentences:
        raise InputError(
            f"'{class_name}' is unnamed, and none of the {len(results)} images of the pool that are most like its examples has a "
            "caption that could speak for it. Give the class a name, or a pool with captions."
        )
    # Captions say what is like the pictures and what is not ("IMG 1078"): the encoder tells them apart.
    agreement = (backend.encoder.encode_texts(sentences) @ vector[0]).tolist()
    best = sorted(range(len(sentences)), key=lambda at: -agreement[at])[:_SENTENCES]
    return Words(class_name, {}, len(results), tuple(sentences[at] for at in best))


STAGE = Stage("words", 2, run, "Choose words", jobs, outside=(ENCODER, POOL))
"""One job for all classes; the words of each are a file of their own, so that a change touches that class only."""
