"""What people said of a labelled folder as a plain table of images and classes, for what reads labelled images."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from susx.errors import InputError, StoreError
from susx.labelling.corrections import CORRECTIONS, read_corrections
from susx.labelling.label_result import RECORD, LabelResult
from susx.store import write_atomically

__all__ = ["labelled_folder", "write_corrected_table"]


def labelled_folder(source: Path) -> Path | None:
    """Return the labelled folder that a path means: itself, or the folder of its corrections; None where it means none."""
    folder = source.parent if source.name == CORRECTIONS else source
    return folder if (folder / RECORD).is_file() else None


def write_corrected_table(folder: Path, out: Path) -> int:
    """Write ``path`` (absolute) and ``class`` of every image that people gave a class; return how many.

    An answer taken back, or that an image is none of the classes, is no row; the last word on an image is its one row.

    Raises:
        InputError: the folder is no labelled one, or nobody said anything.
        StoreError: the table cannot be written.
    """
    result = LabelResult.read(folder)
    images = dict(zip(result.frame["path"], result.frame["digest"], strict=True))
    corrected = read_corrections(folder).by_digest(images)
    rows = [
        (str(result.image(path).absolute()), corrected[digest])
        for path, digest in images.items()
        if corrected.get(digest)
    ]
    if not rows:
        raise InputError(
            f"Nobody gave an image of {folder} a class yet: answer in 'susx label review {folder}'."
        )
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["path", "class"])
    writer.writerows(rows)
    try:
        write_atomically(out, file.getvalue().encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise StoreError(f"{out} cannot be written: {error}.") from error
    return len(rows)
