"""A support set as one parquet file with a dataset card, as ``datasets.load_dataset`` reads it from a folder or the Hub."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from susx.hub.cards import table
from susx.images.support.export_support import Locate, describe, file_name, found, prepare
from susx.records import SupportRow
from susx.store.disk import whole_folder

__all__ = ["PARQUET", "export_parquet"]

PARQUET = "data/train-00000-of-00001.parquet"
"""Where a support set's only split lies, as ``datasets`` looks for it."""

_STRINGS = (
    "digest",
    "origin",
    "url",
    "licence",
    "caption",
    "prompt",
    "model",
    "path",
    "original_digest",
    "author",
    "page",
    "cite",
)
"""Columns beside image and label."""
_GROUP = 100
"""Images of a row group: what a reader holds in memory at once."""


def export_parquet(
    rows: Sequence[SupportRow], classes: Sequence[str], locate: Locate, out: Path, *, licence: str = "other"
) -> int:
    """Write ``out/data/train-00000-of-00001.parquet`` and a dataset card, and return the number of images.

    ``licence`` is the card's, one of the Hub's identifiers.

    Raises:
        InputError: see :func:`~susx.images.support.export_support.export_imagefolder`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    kept = prepare(rows, classes, out)
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = [("image", image), ("label", pa.int64()), *((name, pa.string()) for name in _STRINGS)]
    features = {
        "image": {"_type": "Image"}, "label": {"names": list(classes), "_type": "ClassLabel"},
        **{name: {"dtype": "string", "_type": "Value"} for name in _STRINGS},
    }  # fmt: skip
    schema = pa.schema(columns, {"huggingface": json.dumps({"info": {"features": features}})})
    with whole_folder(out) as partial:
        (partial / PARQUET).parent.mkdir()
        with pq.ParquetWriter(partial / PARQUET, schema) as file:
            for start in range(0, len(kept), _GROUP):
                group = [_cells(label, row, locate) for label, row in kept[start : start + _GROUP]]
                file.write_table(pa.Table.from_pylist(group, schema))
        (partial / "README.md").write_text(_card(kept, classes, licence), encoding="utf-8")
        describe([(f"{PARQUET}/{file_name(row)}", label, row) for label, row in kept], classes, partial)
    return len(kept)


def _cells(label: int, row: SupportRow, locate: Locate) -> dict[str, Any]:
    image = {"bytes": found(row, locate).read_bytes(), "path": file_name(row)}
    return {"image": image, "label": label, **{name: getattr(row, name) for name in _STRINGS}}


def _card(kept: Sequence[tuple[int, SupportRow]], classes: Sequence[str], licence: str) -> str:
    from huggingface_hub import DatasetCardData

    names = {str(number): name for number, name in enumerate(classes)}
    features = [
        {"name": "image", "dtype": "image"},
        {"name": "label", "dtype": {"class_label": {"names": names}}},
        *({"name": name, "dtype": "string"} for name in _STRINGS),
    ]
    data = DatasetCardData(
        license=licence, task_categories=["image-classification"], tags=["susx", "support-set"],
        configs=[{"config_name": "default", "data_files": [{"split": "train", "path": "data/train-*"}]}],
        dataset_info={"features": features},
    )  # fmt: skip
    licences = Counter(f"{row.origin}: {row.licence or 'not stated'}" for _, row in kept)
    per_class = Counter(row.class_name for _, row in kept)
    parts = [
        f"---\n{data.to_yaml()}\n---",
        "# Support set",
        f"{len(kept)} images of {len(classes)} classes, collected by susx. A label is what an image was drawn for (origin `generated`), searched for\n"
        "(`retrieved`) or taken for by susx (`predicted`), which nobody has looked at, or what a person said (`provided`).\n"
        "The columns `origin`, `url`, `licence`, `caption` and `prompt` say where each comes from;\n"
        "pictures from the web belong to whoever made them.",
        table(["origin and licence", "images"], licences.most_common()),
        table(["class", "images"], [(name, per_class[name]) for name in classes]),
    ]
    return "\n\n".join(parts) + "\n"
