"""A folder that was labelled, as it lies on the disk: what ``susx label`` writes and everything after it reads.

    RESULT/labels.csv, labels.parquet, labels.jsonl   one row per image (``label_table``)
    RESULT/labels.json                                what holds for all of them (``record``)
    RESULT/left_out.csv                               files that are no row, each with its reason
    RESULT/proposals.json                             what images that no name explains may be, in words of the pool
    RESULT/classes.safetensors                        what was known of the classes, to label again without fitting (``model``)
    RESULT/corrections.csv                            what people said (``corrections``): append-only
    RESULT/audit.csv                                  what audits said, in the same form; never mixed with the former

The first six are replaced, each in one rename, ``labels.json`` last; the last two are never written here.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

from susx.errors import InputError, StoreError
from susx.labelling import label_table
from susx.labelling.label_record import LabelRecord
from susx.printable import for_json
from susx.store import open_store, write_atomically
from susx.store.values import read_value, value_to_bytes
from susx.types import Digest

if TYPE_CHECKING:
    import pandas as pd

    from susx.methods.functional.folder_prototypes import InductiveFit

__all__ = ["AUDIT", "LEFT_OUT", "MODEL", "RECORD", "LabelResult", "check_folder"]

RECORD = "labels.json"
TABLE = "labels.jsonl"
AUDIT = "audit.csv"
MODEL = "classes.safetensors"
LEFT_OUT = "left_out.csv"
PROPOSALS = "proposals.json"


@dataclass(frozen=True)
class LabelResult:
    """Labels of a folder's images.

    Attributes:
        record: what holds for all labels.
        frame: one row per image, columns as ``label_table.COLUMNS``; not to be changed.
        left_out: path -> reason of each file that is no row.
        folder: where it lies; None before it was written.
        model: what was known of the classes, where it is at hand without reading.
        proposals: digest of an image that no name explains -> captions of the pool's images that look like its group.
    """

    record: LabelRecord
    frame: pd.DataFrame
    left_out: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    model: InductiveFit | None = None
    proposals: Mapping[Digest, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path | str) -> LabelResult:
        """Read a result.

        Raises:
            InputError: the folder is none, or a file of it is missing or damaged.
        """
        folder = Path(folder).expanduser()
        try:
            record = LabelRecord.from_json((folder / RECORD).read_bytes(), str(folder / RECORD))
            frame = label_table.from_jsonl((folder / TABLE).read_bytes(), str(folder / TABLE))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise InputError(
                f"{folder} holds no labels: there is no {Path(error.filename or RECORD).name} in it. Give the folder that "
                "'susx label FOLDER --out RESULT' wrote."
            ) from error
        except OSError as error:
            raise InputError(f"The labels in {folder} cannot be read: {error}.") from error
        return cls(
            record, frame, _read_left_out(folder / LEFT_OUT), folder, proposals=_read_proposals(folder / PROPOSALS)
        )  # fmt: skip

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the list."""
        return self.record.classes

    def __len__(self) -> int:
        return len(self.frame)

    def image(self, path: str) -> Path:
        """Return where the file of a row lies."""
        return Path(self.record.folder) / path

    def features(self) -> Float32[np.ndarray, "query dim"]:
        """Return the unit rows of the images, in the order of the table, from the store.

        Raises:
            StoreError: the store no longer holds them all.
        """
        from susx.store.image_rows import ImageRows

        if not self.record.store:
            raise StoreError(
                "These labels were made from a bundle, which keeps no features of the photographs: they can be sorted, exported and audited. To "
                f"look through them in the page, label the folder with a store: susx label {self.record.folder} --names ..."
            )
        digests = [str(digest) for digest in self.frame["digest"]]
        store = open_store(self.record.store)
        encoded = ImageRows(store, self.record.encoder).look(digests)
        if not encoded.present.all():
            missing = int((~encoded.present).sum())
            raise StoreError(
                f"The store {self.record.store} holds the features of {len(digests) - missing} of the {len(digests)} images. "
                f"Label the folder again with the same --store: susx label {self.record.folder}."
            )
        return encoded.rows

    def class_model(self) -> InductiveFit:
        """Return what was known of the classes before the folder was looked at.

        Raises:
            InputError: its file is missing or damaged.
        """
        from susx.methods.functional.folder_prototypes import InductiveFit

        if self.model is not None:
            return self.model
        return read_value(
            (self.folder or Path()) / MODEL, InductiveFit, "Label the folder again: susx label FOLDER."
        )

    def relabel(
        self, corrected: Mapping[Digest, str], features: Float32[np.ndarray, "query dim"] | None = None
    ) -> LabelResult:
        """Return the labels as they are once people have said some.

        Args:
            corrected: digest of an image's file -> its label, "" for none of these. A label that is no class yet becomes one, which only
                images that people gave it have until the folder is labelled again.
            features: what ``features`` returns, where it is at hand.

        Raises:
            InputError, StoreError: as ``features`` and ``class_model``.
        """
        from susx.labelling.judge import label_images

        model = self.class_model()
        rows = self.features() if features is None else features
        judged = label_images(model, rows, self.frame, self.record.classes, corrected)
        record = self.record.with_classes(corrected.values()).with_estimate(judged.estimate)
        return dataclasses.replace(self, record=record, frame=judged.frame, model=model)

    def write(self, folder: Path | str) -> LabelResult:
        """Write all but what people said; a reader sees the old table or the new, never a part of one.

        Raises:
            InputError: the folder is there and holds something else.
            StoreError: it cannot be written.
        """
        folder = Path(folder).expanduser()
        check_folder(folder)
        model = self.class_model()
        files = {
            "labels.csv": label_table.as_csv(self.frame),
            "labels.parquet": label_table.as_parquet(self.frame),
            LEFT_OUT: label_table.left_out_csv(self.left_out),
            PROPOSALS: for_json(json.dumps(dict(self.proposals), indent=0, ensure_ascii=False)).encode(),
            MODEL: value_to_bytes(model),
            TABLE: label_table.as_jsonl(self.frame),
            RECORD: self.record.as_json(),
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, data in files.items():
                write_atomically(folder / name, data)
        except OSError as error:
            raise StoreError(
                f"The labels cannot be written to {folder}: {error}. Make room or give another --out; no label is lost, the "
                "features are kept."
            ) from error
        return dataclasses.replace(self, folder=folder, model=model)


def check_folder(folder: Path) -> None:
    """Refuse a folder that a result cannot be written to.

    Raises:
        InputError: it is a file, or holds something else.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; --out names the folder of the result.")
    if folder.is_dir() and not (folder / RECORD).is_file() and any(folder.iterdir()):
        raise InputError(
            f"{folder} is not empty and holds no labels. Give --out a folder that is new, empty, or an earlier result."
        )


def _read_left_out(path: Path) -> dict[str, str]:
    import csv

    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return {row["path"]: row["reason"] for row in csv.DictReader(file)}
    except (OSError, KeyError, csv.Error):
        return {}


def _read_proposals(path: Path) -> dict[Digest, tuple[str, ...]]:
    """Return what was proposed; nothing where there is no such file: an earlier version wrote none."""
    try:
        proposals = json.loads(path.read_bytes())
        return {str(digest): tuple(map(str, captions)) for digest, captions in proposals.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
