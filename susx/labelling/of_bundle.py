"""A folder of photographs labelled by a bundle: the folder method of ``susx label`` on numpy, its tables and its page.

Near-duplicates are told by features alone, and nothing is kept between two runs: hashes, the store of features and the page in which
people answer belong to ``susx[build]``.
"""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from susx.bundle.bundle import Bundle
from susx.bundle.folder_fit import read_fit
from susx.errors import InputError, StoreError
from susx.image_folder import passed_over, require_images
from susx.images.duplicates import NearRule
from susx.labelling.corrections import Corrections
from susx.labelling.encode_photographs import Photo, encode_photos, no_hash
from susx.labelling.groups import near_groups
from susx.labelling.judge import METHOD, label_columns
from susx.labelling.label_record import LabelRecord
from susx.labelling.label_report import PAGE, render_columns
from susx.labelling.label_table import COLUMNS, csv_of, jsonl_of, left_out_csv
from susx.store import digest_file, write_atomically
from susx.types import Digest

__all__ = ["BundleLabels", "check_out", "label_photographs"]

_NEAR = NearRule("embedding", 0, 0.985)
"""The cosine of a build's near-duplicates."""

_LIBRARIES = ("susx", "numpy", "onnxruntime", "pillow")


@dataclass(frozen=True)
class BundleLabels:
    """Labels of a folder, not yet written.

    Attributes:
        record: what holds for all labels.
        columns: of the table (``labelling.table.COLUMNS``), one value an image.
        left_out: path -> reason of each file that is no row.
    """

    record: LabelRecord
    columns: Mapping[str, np.ndarray]
    left_out: Mapping[str, str]

    def rows(self) -> list[dict[str, Any]]:
        """Return the table as Python's own values."""
        values = {name: self.columns[name].tolist() for name in COLUMNS}
        return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]

    def write(self, out: Path, *, report: bool = True) -> None:
        """Write labels.csv, labels.jsonl, left_out.csv, the page, and labels.json last; each in one rename.

        Raises:
            StoreError: they cannot be written.
        """
        rows = self.rows()
        files: dict[str, bytes] = {
            "labels.csv": csv_of(rows),
            "left_out.csv": left_out_csv(self.left_out),
            "labels.jsonl": jsonl_of(rows),
        }
        if report:
            page = render_columns(self.record, self.columns, self.left_out)
            files[PAGE] = page.encode("utf-8", "replace")
        try:
            out.mkdir(parents=True, exist_ok=True)
            for name, data in (*files.items(), ("labels.json", self.record.as_json())):
                write_atomically(out / name, data)
        except OSError as error:
            raise StoreError(
                f"The labels cannot be written to {out}: {error}. Make room or give another --out."
            ) from error


def check_out(out: Path, folder: Path) -> None:
    """Refuse a place for the result before any work.

    Raises:
        InputError: it is a file, the folder of photographs itself, holds something else, or labels that were made with a store.
    """
    from susx.labelling.label_result import RECORD, check_folder

    check_folder(out)
    if folder.is_dir() and out.exists() and os.path.samefile(out, folder):
        raise InputError(
            f"--out is the folder of photographs itself ({folder}). Give another one; nothing is written there."
        )
    record = out / RECORD
    if record.is_file() and LabelRecord.from_json(record.read_bytes(), str(record)).store:
        raise InputError(
            f"{out} holds labels that were made with a store, which a bundle's would leave half of. Give another --out."
        )


def label_photographs(
    bundle: Bundle, folder: Path, *, leave: Path | None = None, corrections: Corrections | None = None
) -> BundleLabels:
    """Label the photographs below a folder together.

    Args:
        bundle: of a classifier with support images.
        folder: photographs, at any depth.
        leave: a folder below it that is not looked into (where the result goes).
        corrections: what people said; None: nothing. A class that the bundle does not know is one that only they give.

    Raises:
        InputError: no folder, or no photograph in it that can be read.
        ConfigError: the bundle has no support images.
    """
    fit = read_fit(bundle.stored)
    folder = Path(os.path.abspath(folder.expanduser()))
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "is not there"
        raise InputError(f"{folder} {what}; expected a folder of photographs to label.")
    photos, left_out, over = _photographs(folder, leave)
    by_digest = {digest: folder / name for name, digest in photos.items()}
    blocks = list(
        encode_photos(bundle, [Photo(by_digest[digest], digest) for digest in sorted(by_digest)], no_hash)
    )
    reasons = {digest: reason for block in blocks for digest, reason in block.reasons.items()}
    digests = [digest for block in blocks for digest in block.digests]
    left_out |= {name: reasons[digest] for name, digest in photos.items() if digest in reasons}
    if not digests:
        counted = ", ".join(f"{count} {reason}" for reason, count in Counter(left_out.values()).items())
        raise InputError(
            f"None of the {len(left_out)} photographs in {folder} can be used: {counted}. Nothing was labelled."
        )
    corrected = (corrections or Corrections({})).by_digest(photos)
    rows = np.concatenate([block.features for block in blocks])
    groups = near_groups([""] * len(digests), rows, _NEAR)
    columns, estimate = label_columns(
        fit, rows, np.array(digests, dtype=object), groups, bundle.class_names, corrected
    )
    columns |= {"digest": np.array(digests, dtype=object), "group": groups}
    row_of = {digest: at for at, digest in enumerate(digests)}
    paths = [name for name, digest in photos.items() if digest in row_of]
    places = [row_of[photos[name]] for name in paths]
    table = {name: values[places] for name, values in columns.items()} | {
        "path": np.array(paths, dtype=object)
    }
    record = _record(bundle, folder, {**Counter(left_out.values()), **over})
    record = record.with_classes(corrected.values()).with_estimate(estimate)
    return BundleLabels(record, table, dict(sorted(left_out.items())))


def _photographs(
    folder: Path, leave: Path | None
) -> tuple[dict[str, Digest], dict[str, str], Mapping[str, int]]:
    """Return path -> digest of the files, path -> reason of those that cannot be read, and what was passed over."""
    below = require_images(folder)
    photos: dict[str, Digest] = {}
    left_out: dict[str, str] = {}
    for path in below.files:
        if leave is not None and leave.is_relative_to(folder) and path.is_relative_to(leave):
            continue
        name = os.fspath(path.relative_to(folder))
        try:
            photos[name] = digest_file(path)
        except OSError as error:
            left_out[name] = f"cannot be read ({error.strerror or error})"
    return photos, left_out, passed_over(below)


def _record(bundle: Bundle, folder: Path, left_out: Mapping[str, int]) -> LabelRecord:
    told = bundle.stored.description
    return LabelRecord(
        classes=bundle.class_names, folder=str(folder), toy=told.toy,
        encoder=dataclasses.replace(told.encoder.id, precision=told.quantised.to if told.quantised else "fp32"),
        pool="the bundle's support images", method=METHOD,
        versions={name: importlib.metadata.version(name) for name in _LIBRARIES}, left_out=left_out,
        made=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    )  # fmt: skip
