"""The table every image stage writes beside its images: one record per candidate, kept or not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from susx.records import SupportRow, decode_rows, encode_rows
from susx.store import ArtefactStore, Ref

__all__ = ["FEATURES", "TABLE", "read_rows", "write_rows"]

TABLE = "rows.jsonl"
FEATURES = "features.safetensors"
"""Features that came with images or in place of them; ``encode-images`` takes them over."""


def write_rows(folder: Path, rows: Sequence[SupportRow], name: str = TABLE) -> None:
    """Write a table of rows below ``folder``."""
    (folder / name).write_bytes(encode_rows(rows))


def read_rows(store: ArtefactStore, ref: Ref) -> list[SupportRow]:
    """Read the table of an image artefact, or the one that a ref to a part means."""
    return decode_rows(store.path(ref, ref.part or TABLE).read_bytes())
