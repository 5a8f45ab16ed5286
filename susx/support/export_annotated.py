"""A support set as annotated images: COCO's JSON, FiftyOne's image classification, parquet with a card for ``datasets``."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from susx.hub.cards import cell
from susx.records import SupportRow
from susx.support.export import Locate, describe, found, prepare, whole

__all__ = ["PARQUET", "export_coco", "export_fiftyone", "export_parquet"]

PARQUET = "data/train-00000-of-00001.parquet"
"""Where a support set's only split lies, as ``datasets`` looks for it."""

_UNKNOWN = "not stated"


def export_coco(rows: Sequence[SupportRow], classes: Sequence[str], locate: Locate, out: Path) -> int:
    """Write ``out/images/`` and ``out/annotations.json`` in COCO's format, and return the number of images.

    COCO has no labels of whole images: each is annotated with a box as large as the image. ``category_id`` is the label
    plus one, as readers of COCO take 0 for the background.

    Raises:
        InputError: see :func:`~susx.support.export.export_imagefolder`.
    """
    kept = prepare(rows, classes, out)
    licences = sorted({row.licence or _UNKNOWN for _, row in kept})
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    with whole(out) as partial:
        listed = _copied(kept, locate, partial, "images")
        for number, (name, label, row) in enumerate(listed, 1):
            images.append(
                {
                    "id": number, "file_name": name.removeprefix("images/"), "width": row.width, "height": row.height,
                    "license": 1 + licences.index(row.licence or _UNKNOWN), "coco_url": row.url or "",
                    "origin": row.origin, "caption": row.caption or row.prompt,
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
        InputError: see :func:`~susx.support.export.export_imagefolder`.
    """
    kept = prepare(rows, classes, out)
    with whole(out) as partial:
        listed = _copied(kept, locate, partial, "data")
        labels = {Path(name).stem: label for name, label, _ in listed}
        _write(partial / "labels.json", {"classes": list(classes), "labels": labels})
        describe(listed, classes, partial)
    return len(listed)


def export_parquet(
    rows: Sequence[SupportRow], classes: Sequence[str], locate: Locate, out: Path, *, licence: str = "other"
) -> int:
    """Write ``out/data/train-00000-of-00001.parquet`` and a dataset card, as ``datasets.load_dataset(out)`` reads them; return the number of images.

    ``licence`` is the card's, one of the Hub's identifiers.

    Raises:
        InputError: see :func:`~susx.support.export.export_imagefolder`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    kept = prepare(rows, classes, out)
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    text = ("digest", "origin", "url", "licence", "caption", "prompt", "model")
    fields = [
        pa.field("image", image),
        pa.field("label", pa.int64()),
        *(pa.field(name, pa.string()) for name in text),
    ]
    features = {
        "image": {"_type": "Image"}, "label": {"names": list(classes), "_type": "ClassLabel"},
        **{name: {"dtype": "string", "_type": "Value"} for name in text},
    }  # fmt: skip
    schema = pa.schema(fields, {"huggingface": json.dumps({"info": {"features": features}})})
    with whole(out) as partial:
        (partial / "data").mkdir()
        with pq.ParquetWriter(partial / PARQUET, schema) as table:
            for start in range(0, len(kept), 100):
                group = [
                    {
                        "image": {"bytes": found(row, locate).read_bytes(), "path": f"{row.digest[:24]}.jpg"},
                        "label": label, **{name: getattr(row, name) for name in text},
                    }
                    for label, row in kept[start : start + 100]
                ]  # fmt: skip
                table.write_table(pa.Table.from_pylist(group, schema))
        (partial / "README.md").write_text(_card(kept, classes, licence), encoding="utf-8")
        describe([(PARQUET, *entry) for entry in kept], classes, partial)
    return len(kept)


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


def _card(kept: Sequence[tuple[int, SupportRow]], classes: Sequence[str], licence: str) -> str:
    strings = ("digest", "origin", "url", "licence", "caption", "prompt", "model")
    names = {str(number): name for number, name in enumerate(classes)}
    features = [
        {"name": "image", "dtype": "image"},
        {"name": "label", "dtype": {"class_label": {"names": names}}},
        *({"name": name, "dtype": "string"} for name in strings),
    ]
    head = {
        "license": licence,
        "task_categories": ["image-classification"],
        "tags": ["susx", "support-set"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "data/train-*"}]}],
        "dataset_info": {"features": features},
    }
    licences = Counter(f"{row.origin}: {row.licence or _UNKNOWN}" for _, row in kept)
    per_class = Counter(row.class_name for _, row in kept)
    lines = [
        "---", yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=100).rstrip("\n"), "---", "",
        "# Support set", "",
        f"{len(kept)} images of {len(classes)} classes that susx drew or retrieved from class names alone. Labels are what an image was drawn or searched for:",
        "nobody has looked at them. The columns `origin`, `url`, `licence`, `caption` and `prompt` say where each comes from; pictures from",
        "the web belong to whoever made them.", "",
        "| origin and licence | images |", "|---|---:|", *(f"| {cell(name)} | {count} |" for name, count in licences.most_common()), "",
        "| class | images |", "|---|---:|", *(f"| {cell(name)} | {per_class[name]} |" for name in classes), "",
    ]  # fmt: skip
    return "\n".join(lines)


def _write(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
