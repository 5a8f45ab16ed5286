"""The table every image stage writes beside its images: one record per candidate, kept or not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from susx.errors import DamagedArtefact
from susx.records import SupportRow
from susx.store import ArtefactStore, Ref
from susx.store.record_tables import read_rows, write_rows
from susx.types import Digest

__all__ = ["TABLE", "files_by_digest", "read_image_rows", "write_image_rows"]

TABLE = "rows.parquet"


def files_by_digest(store: ArtefactStore, refs: Iterable[Ref]) -> dict[Digest, Path]:
    """Return where artefacts hold each content. Images are found by what they are: a key may go, and its image live on under another."""
    file_of: dict[Digest, Path] = {}
    for ref in refs:
        try:
            manifest = store.manifest(ref.stage, ref.key)
        except DamagedArtefact:
            continue
        for name, digest in manifest.files.items() if manifest else ():
            if digest not in file_of or not file_of[digest].is_file():
                file_of[digest] = store.path(ref, name)
    return file_of


def write_image_rows(folder: Path, rows: Sequence[SupportRow]) -> None:
    """Write the table of an image artefact below ``folder``."""
    write_rows(folder / TABLE, SupportRow, rows)


def read_image_rows(store: ArtefactStore, ref: Ref) -> list[SupportRow]:
    """Read the table of an image artefact."""
    return read_rows(store.path(ref, TABLE), SupportRow, "images of the store")
