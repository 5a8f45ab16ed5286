"""Stage ``assign``: one image stands for one class; the candidates of each class in a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from susx.stages import search
from susx.stages.build_plan import BuildPlan
from susx.stages.done import Artefacts, Done
from susx.stages.images import write_rows
from susx.stages.stage import Stage
from susx.store import ArtefactStore, Job, Ref, digest_bytes
from susx.types import Json

__all__ = ["STAGE", "candidates_of", "jobs", "lost", "part_name", "run"]

_LOST = "lost.jsonl"


def part_name(class_name: str) -> str:
    """Return the file of a class within the artefact; it depends on the name alone."""
    return digest_bytes(class_name.encode("utf-8", "surrogatepass"))[:24] + ".parquet"


def candidates_of(class_name: str, done: Done) -> Ref:
    """Return the candidates of a class alone: those of other classes do not make it stale."""
    return done.store.part(done.one(STAGE), part_name(class_name))


def lost(done: Done) -> Ref | None:
    """Return the rows of candidates that another class kept; None where nothing was retrieved."""
    assigned = done.find(STAGE)
    return done.store.part(assigned, _LOST) if assigned else None


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job for all classes."""
    searches = done.all(search.STAGE)
    return [STAGE.job(plan, searches.values())] if searches else []


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write one parquet of candidates per class, best first."""
    from susx.images.retrieve import assign, lost_rows, read_candidates, write_candidates

    searches = Artefacts.of(job).all(search.STAGE)
    files = {name: store.path(ref, search.FILE) for name, ref in searches.items()}
    # Images that came with their candidates are read class by class: those of all classes are gigabytes.
    result = assign({name: read_candidates(file, images=False) for name, file in files.items()})
    for name, file in files.items():
        images = {(c.item, c.query, c.similarity): c.image for c in read_candidates(file)}
        kept = (replace(c, image=images[c.item, c.query, c.similarity]) for c in result.kept[name])
        write_candidates(out / part_name(name), kept)
    write_rows(out, lost_rows(result), _LOST)
    return {
        "candidates": sum(len(kept) for kept in result.kept.values()),
        "given to another class": sum(len(lost) for lost in result.lost.values()),
        "repeated": sum(result.repeated.values()),
    }


STAGE = Stage("assign", 1, run, "Give every image to one class", jobs)
