"""What was said of every image of a row, as a parquet file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from susx.errors import InputError
from susx.experiment.regimes import OUTSIDER

if TYPE_CHECKING:
    from susx.experiment.cell import MeasuredCell

__all__ = ["ImagePredictions", "read_images", "write_images"]


@dataclass(frozen=True)
class ImagePredictions:
    """Of the images of a row that show a class.

    Attributes:
        images: row of each in its split.
        right: whether the method got it right.
        zero_shot_right: whether zero-shot did.
    """

    images: np.ndarray
    right: np.ndarray
    zero_shot_right: np.ndarray


def write_images(cell: MeasuredCell, class_names: Sequence[str], path: Path, *, logits: bool = True) -> None:
    """Write image, label, predicted, confidence, zero_shot_right and logits of each image, in the order of classification.

    The label of an image that shows no class is null, and its row is one of the other data set. Logits are float32, a column a class
    in the order of the class names, which the schema's metadata hold as JSON.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = pa.array(class_names, pa.string())
    labels = cell.labels.numpy()
    columns: dict[str, pa.Array] = {
        "image": pa.array(cell.images.numpy().astype(np.int32)),
        "label": pa.DictionaryArray.from_arrays(
            pa.array(labels.astype(np.int32), mask=labels == OUTSIDER), names
        ),
        "predicted": pa.DictionaryArray.from_arrays(pa.array(cell.predicted.numpy().astype(np.int32)), names),
        "confidence": pa.array(cell.confidence.numpy().astype(np.float32)),
        "zero_shot_right": pa.array(cell.reference.numpy()),
    }
    if logits:
        flat = np.ascontiguousarray(cell.logits.numpy(), dtype=np.float32).reshape(-1)
        columns["logits"] = pa.FixedSizeListArray.from_arrays(pa.array(flat), cell.logits.shape[1])
    table = pa.table(columns).replace_schema_metadata({"susx.class_names": json.dumps(list(class_names))})
    pq.write_table(table, path, compression="zstd")


def read_images(path: Path) -> ImagePredictions:
    """Read what a table needs of the images that show a class.

    Raises:
        InputError: the file is missing or no such parquet.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=["image", "label", "predicted", "zero_shot_right"])
        table = table.filter(pa.compute.is_valid(table["label"])).combine_chunks()
        label, predicted = (
            table[name].combine_chunks().indices.to_numpy(zero_copy_only=False)
            for name in ("label", "predicted")
        )
        return ImagePredictions(
            table["image"].to_numpy(), label == predicted, table["zero_shot_right"].to_numpy()
        )
    except (OSError, KeyError, AttributeError, pa.ArrowException) as error:
        raise InputError(
            f"{path}: what was said of the images cannot be read ({error}). Run the experiment again; finished cells are kept."
        ) from error
