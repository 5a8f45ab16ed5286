"""The table every image stage writes beside its images: one record per candidate, kept or not."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from susx.records import SupportRow
from susx.store import ArtefactStore, Ref

__all__ = ["TABLE", "read_rows", "write_rows"]

TABLE = "rows.jsonl"


def write_rows(folder: Path, rows: Sequence[SupportRow], name: str = TABLE) -> None:
    """Write a table of rows below ``folder``."""
    lines = [json.dumps(dataclasses.asdict(row), ensure_ascii=False, sort_keys=True) for row in rows]
    (folder / name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def read_rows(store: ArtefactStore, ref: Ref) -> list[SupportRow]:
    """Read the table of an image artefact, or the one that a ref to a part means."""
    text = store.path(ref, ref.part or TABLE).read_text(encoding="utf-8")
    return [SupportRow(**json.loads(line)) for line in text.splitlines()]
