"""Where a support image came from: the path and digest of the original, in tables, exports and what is shared."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from susx.config import DownloadConfig
from susx.images.retrieve import Candidate, fetch_images
from susx.images.support import export_imagefolder, export_parquet, read_support, write_support
from susx.images.support.export_parquet import PARQUET
from susx.records import SupportRow, decode_rows, encode_rows
from susx.store import digest_file


def _rows(folder: Path) -> tuple[Path, list[SupportRow]]:
    original = folder / "photos" / "holiday.png"
    original.parent.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(original)
    candidate = Candidate("cat", "p", "q", "index:0", 0.3, path=str(original), source="index")
    sent = dataclasses.replace(candidate, path=None, image=original.read_bytes(), item="service:0")
    return original, fetch_images([candidate, sent], folder / "a", folder / "w", DownloadConfig())


def test_a_copy_of_a_file_of_ones_own_names_it(tmp_path: Path) -> None:
    """The image is decoded and written anew, so that its own digest leads nowhere."""
    original, [of_file, of_bytes] = _rows(tmp_path)
    assert (of_file.path, of_file.original_digest) == (str(original), digest_file(original))
    assert (of_bytes.path, of_bytes.original_digest) == (None, digest_file(original))
    assert of_file.digest != of_file.original_digest
    assert decode_rows(encode_rows([of_file])) == [of_file]


def test_tables_and_exports_carry_it(tmp_path: Path) -> None:
    original, rows = _rows(tmp_path)
    write_support(tmp_path / "support.parquet", rows)
    assert read_support(tmp_path / "support.parquet") == rows
    export_imagefolder(rows[:1], ["cat"], lambda row: tmp_path / "a" / row.file, tmp_path / "folder")
    with (tmp_path / "folder" / "origins.csv").open() as file:
        [row] = csv.DictReader(file)
    assert (row["path"], row["original_digest"]) == (str(original), digest_file(original))
    export_parquet(rows[:1], ["cat"], lambda row: tmp_path / "a" / row.file, tmp_path / "parquet")
    assert pq.read_table(tmp_path / "parquet" / PARQUET)["path"].to_pylist() == [str(original)]


def test_what_is_shared_does_not_say_whose_machine_it_was(tmp_path: Path) -> None:
    original, [row, _] = _rows(tmp_path)
    assert row.shared().path == "photos/holiday.png"
    assert str(tmp_path) not in encode_rows([row.shared()]).decode()
    assert original.is_file()


def test_tables_of_older_runs_are_read(tmp_path: Path) -> None:
    _, rows = _rows(tmp_path)
    write_support(tmp_path / "new.parquet", rows)
    pq.write_table(
        pq.read_table(tmp_path / "new.parquet").drop_columns(["path", "original_digest"]),
        tmp_path / "old.parquet",
    )
    assert read_support(tmp_path / "old.parquet") == [
        dataclasses.replace(row, path=None, original_digest=None) for row in rows
    ]
