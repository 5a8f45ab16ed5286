"""The formats that a support set has as well: labelled images are rows of one, each with who said its label."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from susx.errors import InputError, StoreError
from susx.image_files import LOCAL, BadImage, open_image
from susx.images.support.export_annotated import export_coco, export_fiftyone
from susx.images.support.export_parquet import export_parquet
from susx.images.support.export_support import Locate, export_webdataset
from susx.records import Origin, SupportRow

if TYPE_CHECKING:
    import pandas as pd

    from susx.labelling.label_result import LabelResult

__all__ = ["export", "support_rows"]

_WRITERS: Mapping[str, Callable[[list[SupportRow], tuple[str, ...], Locate, Path], int]] = {
    "coco": export_coco,
    "fiftyone": export_fiftyone,
    "datasets": export_parquet,
    "webdataset": export_webdataset,
}


def export(result: LabelResult, frame: pd.DataFrame, form: str, out: Path) -> int:
    """Write labels in one of the formats; see ``export_labels``."""
    rows = support_rows(result, frame[frame["label"] != ""], measured=form == "coco")
    try:
        return _WRITERS[form](rows, result.classes, lambda row: result.image(row.file), out)
    except OSError as error:
        raise StoreError(
            f"{out} cannot be written: {error}. Make room or give another folder; nothing is left of it."
        ) from error


def support_rows(result: LabelResult, frame: pd.DataFrame, *, measured: bool = False) -> list[SupportRow]:
    """Return labelled images as rows of a support set; a file that lies in the folder twice is one row.

    Args:
        result: a labelled folder.
        frame: rows of its table that have a label.
        measured: whether width and height are wanted, which takes decoding.

    Raises:
        InputError: a file is not there any more, or is another than was labelled.
    """
    rows = []
    for row in frame.drop_duplicates("digest").itertuples():
        width, height = _look(result.image(str(row.path)), str(row.digest), measured=measured)
        caption = "said by a person" if row.by_person else f"labelled with probability {row.probability:.3f}"
        origin: Origin = "provided" if row.by_person else "predicted"
        rows.append(
            SupportRow(
                str(row.label), str(row.path), str(row.digest), origin, "", caption=caption, model=result.record.encoder.model,
                width=width, height=height,
            )
        )  # fmt: skip
    return rows


def _look(path: Path, digest: str, *, measured: bool) -> tuple[int, int]:
    try:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            raise InputError(
                f"{path} is not the file that was labelled: it was changed since. Label the folder again."
            )
        return open_image(data, LOCAL).size if measured else (0, 0)
    except BadImage as error:
        raise InputError(f"{path} cannot be decoded any more: {error}") from error
    except OSError as error:
        raise InputError(
            f"{path} cannot be read any more ({error.strerror or error}). Label the folder again."
        ) from error
