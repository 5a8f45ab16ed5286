"""A support set as other programs read it: an ImageFolder or WebDataset, with a list of origins and licences.

Folders are named by number and class (``003_crane``), because class names may hold slashes and because a sort of the
folders must not change the labels, with a capital where ``datasets`` would take a word for a split (``004_Test_tube``); ``classes.json`` has the names in label order.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

from susx.errors import InputError
from susx.printable import for_cell
from susx.records import EXPORTED_CLASSES, ORIGINS, SupportRow
from susx.store.disk import whole_folder

__all__ = [
    "ORIGINS",
    "Locate",
    "describe",
    "export_imagefolder",
    "export_webdataset",
    "file_name",
    "found",
    "prepare",
]

_COLUMNS = (
    "file", "class_id", "class_name", "digest", "origin", "url", "licence", "caption", "prompt", "seed", "similarity",
    "model", "nsfw", "path", "original_digest", "author", "page", "cite",
)  # fmt: skip

Locate = Callable[[SupportRow], Path]


def export_imagefolder(rows: Sequence[SupportRow], classes: Sequence[str], locate: Locate, out: Path) -> int:
    """Copy the kept images to ``out/NNN_class/`` and return their number.

    Raises:
        InputError: ``out`` is not empty, a class is unknown, or an image is not there. Nothing is left behind then.
    """
    kept = prepare(rows, classes, out)
    listed = []
    with whole_folder(out) as partial:
        for label, row in kept:
            name = f"{_folder(label, row.class_name, len(classes))}/{file_name(row)}"
            (partial / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(found(row, locate), partial / name)
            listed.append((name, label, row))
        describe(listed, classes, partial)
    return len(listed)


def export_webdataset(
    rows: Sequence[SupportRow], classes: Sequence[str], locate: Locate, out: Path, *, per_shard: int = 1000
) -> int:
    """Write the kept images as ``out/NNNNN.tar`` (jpg, txt, cls, json a sample) and return their number.

    Raises:
        InputError: see :func:`export_imagefolder`.
    """
    kept = prepare(rows, classes, out)
    listed = []
    with whole_folder(out) as partial:
        for start in range(0, len(kept), per_shard):
            shard = f"{start // per_shard:05d}.tar"
            with tarfile.open(partial / shard, "w", format=tarfile.PAX_FORMAT) as tar:
                for number, (label, row) in enumerate(kept[start : start + per_shard], start):
                    key = f"{number:08d}"
                    record = {"class_id": label, **{name: getattr(row, name) for name in _COLUMNS[2:]}}
                    parts = {
                        "jpg": found(row, locate).read_bytes(),
                        "txt": (row.caption or row.prompt).encode(),
                        "cls": str(label).encode(),
                        "json": json.dumps(record, sort_keys=True).encode(),
                    }
                    for kind, data in parts.items():
                        member = tarfile.TarInfo(
                            f"{key}.{kind}"
                        )  # no time, no owner: equal sets give equal files
                        member.size = len(data)
                        tar.addfile(member, io.BytesIO(data))
                    listed.append((f"{shard}/{key}.jpg", label, row))
        describe(listed, classes, partial)
    return len(listed)


def prepare(rows: Sequence[SupportRow], classes: Sequence[str], out: Path) -> list[tuple[int, SupportRow]]:
    """Return (label, row) of the kept images, class after class.

    Raises:
        InputError: ``out`` is not empty, or a class is unknown.
    """
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out} is not empty; give a new folder to export to.")
    labels = {name: label for label, name in enumerate(classes)}
    unknown = sorted({row.class_name for row in rows} - labels.keys())
    if unknown:
        raise InputError(f"The table has images of '{unknown[0]}', which is not among the classes.")
    kept = [(labels[row.class_name], row) for row in rows if row.kept and row.file]
    return sorted(kept, key=lambda entry: (entry[0], entry[1].digest))


def file_name(row: SupportRow) -> str:
    """Return what an exported image is called: after its content, so that equal sets give equal files."""
    return f"{row.digest[:24]}{Path(row.file).suffix or '.jpg'}"


def found(row: SupportRow, locate: Locate) -> Path:
    """Return where the image of a row is.

    Raises:
        InputError: it is not there.
    """
    path = locate(row)
    if not path.is_file():
        raise InputError(f"The image {path} of '{row.class_name}' is not there; name the store with --store.")
    return path


_SPLIT_WORD = re.compile(
    r"(?<![a-z])(train|training|val|valid|validation|dev|test|testing|eval|evaluation)(?![a-z])"
)
"""What ``datasets`` takes for the name of a split anywhere in a path, in small letters only: a class called test tube made its folder
a split and dropped the others."""


def _folder(label: int, name: str, classes: int) -> str:
    """Return a name that sorts as the labels do, whatever their number."""
    width = max(3, len(str(classes - 1)))
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._") or "class"
    return _SPLIT_WORD.sub(lambda word: word[0].capitalize(), f"{label:0{width}d}_{plain}"[:100])


def describe(listed: Sequence[tuple[str, int, SupportRow]], classes: Sequence[str], out: Path) -> None:
    """Write ``origins.csv`` (of file name, label, row) and ``classes.json``."""
    with (out / ORIGINS).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for name, label, row in listed:
            cells = (name, label, *(getattr(row, column) for column in _COLUMNS[2:]))
            writer.writerow([for_cell(cell) for cell in cells])
    (out / EXPORTED_CLASSES).write_text(json.dumps(list(classes), indent=1) + "\n", encoding="utf-8")
