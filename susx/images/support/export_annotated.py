"""A support set as images with a file of labels: COCO's JSON, FiftyOne's image classification."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from susx.images.support.export_support import Locate, describe, found, prepare
from susx.records import SupportRow
from susx.store.disk import whole_folder

__all__ = ["export_coco", "export_fiftyone"]

_UNKNOWN = "not stated"


def export_coco(rows: Sequence[SupportRow], classes: Sequence[str], locate: Locate, out: Path) -> int:
    """Write ``out/images/`` and ``out/annotations.json`` in COCO's format, and return the number of images.

    COCO has no labels of whole images: each is annotated with a box as large as the image. ``category_id`` is the label
    plus one, as readers of COCO take 0 for the background.

    Raises:
        InputError: see :func:`~susx.images.support.export_support.export_imagefolder`.
    """
    kept = prepare(rows, classes, out)
    licences = sorted({row.licence or _UNKNOWN for _, row in kept})
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    with whole_folder(out) as partial:
        listed = _copied(kept, locate, partial, "images")
        for number, (name, label, row) in enumerate(listed, 1):
            images.append(
                {
                    "id": number, "file_name": name.removeprefix("images/"), "width": row.width, "height": row.height,
                    "license": 1 + licences.index(row.licence or _UNKNOWN), "coco_url": row.url or "",
                    "origin": row.origin, "path": row.path or "", "original_digest": row.original_digest or "", "caption": row.caption or row.prompt,
                    "author": row.author or "", "page": row.page or "",
                }
            )  # fmt: skip
            annotations.append(
                {
                    "id": number, "image_id": number, "category_id": label + 1, "bbox": [0, 0, row.width, row.height],
                    "area": row.width * row.height, "iscrowd": 0,
                }
            )  # fmt: skip
        _write(
            partial / "annotations.json",
            {
                "info": {"description": "support set of susx; every box is the whole image"},
                "licenses": [{"id": n, "name": name, "url": ""} for n, name in enumerate(licences, 1)],
                "categories": [{"id": n, "name": name} for n, name in enumerate(classes, 1)],
                "images": images, "annotations": annotations,
            },
        )  # fmt: skip
        describe(listed, classes, partial)
    return len(listed)


def export_fiftyone(rows: Sequence[SupportRow], classes: Sequence[str], locate: Locate, out: Path) -> int:
    """Write ``out/data/`` and ``out/labels.json``: FiftyOne's ``FiftyOneImageClassificationDataset``; return the number of images.

    Raises:
        InputError: see :func:`~susx.images.support.export_support.export_imagefolder`.
    """
    kept = prepare(rows, classes, out)
    with whole_folder(out) as partial:
        listed = _copied(kept, locate, partial, "data")
        labels = {Path(name).stem: label for name, label, _ in listed}
        _write(partial / "labels.json", {"classes": list(classes), "labels": labels})
        describe(listed, classes, partial)
    return len(listed)


def _copied(
    kept: Sequence[tuple[int, SupportRow]], locate: Locate, partial: Path, folder: str
) -> list[tuple[str, int, SupportRow]]:
    """Copy images under names that are unique without their suffix: one picture may stand for two classes."""
    (partial / folder).mkdir()
    listed = []
    for number, (label, row) in enumerate(kept):
        name = f"{folder}/{number:06d}-{row.digest[:16]}{Path(row.file).suffix or '.jpg'}"
        shutil.copyfile(found(row, locate), partial / name)
        listed.append((name, label, row))
    return listed


def _write(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
