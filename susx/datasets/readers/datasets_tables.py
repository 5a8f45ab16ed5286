"""Reader of Hugging Face ``datasets`` folders and parquet files (see :mod:`susx.datasets.hub_tables`).

Options: ``image_column`` and ``class_column`` where they are not plain, ``val`` and ``test`` name other splits (train, val,
test). Where a copy has no split but ``train``, the images of each class are dealt to val and test.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from susx.config import DatasetConfig, ReaderConfig
from susx.datasets.label_map import LabelMap
from susx.datasets.readers.file_splits import assemble
from susx.datasets.split import StoredImage, TargetSplit

__all__ = ["read_datasets"]


def read_datasets(
    config: DatasetConfig, reader: ReaderConfig, root: Path | None, split: str
) -> TargetSplit | None:
    """Read the labels of a split; images are read when they are asked for.

    Raises:
        ConfigError: a damaged table, or a label that leads to no class.
    """
    if root is None or not (root / reader.folder).exists():
        return None
    from susx.datasets.hub_tables import (
        open_tables,  # pyarrow: a dry run of other data sets need not wait for it
    )

    folder = root / reader.folder
    columns = {name: str(reader.options.get(name, "")) for name in ("image_column", "class_column")}
    tables = open_tables(folder, **columns)
    undivided = set(tables.files) == {"train"}
    rows = tables.rows("train" if undivided else str(reader.options.get(split, split)))
    items = ((StoredImage(row.file, partial(tables.image, row)), row.label, row.name) for row in rows)
    labels = LabelMap(config.classes, reader.class_map)
    return assemble(items, labels, reader, folder, cut=split if undivided else "")
