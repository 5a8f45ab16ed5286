"""Stage ``assign``: one image stands for one class; the candidates of each class in a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from susx.stages import search
from susx.stages.images import write_rows
from susx.store import ArtefactStore, Job, digest_bytes
from susx.types import Json

__all__ = ["LOST", "part_name", "run"]

LOST = "lost.jsonl"
"""Rows of candidates that another class kept."""


def part_name(class_name: str) -> str:
    """Return the file of a class within the artefact; it depends on the name alone."""
    return digest_bytes(class_name.encode("utf-8", "surrogatepass"))[:24] + ".parquet"


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write one parquet of candidates per class, best first."""
    from susx.images.retrieve import assign, lost_rows, read_candidates, write_candidates

    found = {name: read_candidates(store.path(ref, search.FILE)) for name, ref in job.inputs.items()}
    result = assign(found)
    for name in found:
        write_candidates(out / part_name(name), result.kept[name])
    write_rows(out, lost_rows(result), LOST)
    return {
        "candidates": sum(len(kept) for kept in result.kept.values()),
        "given to another class": sum(len(lost) for lost in result.lost.values()),
        "repeated": sum(result.repeated.values()),
    }
