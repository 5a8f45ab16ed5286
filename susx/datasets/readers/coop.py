"""Reader of CoOp-style split files: ``{"train": [[image, label, class], ...], "val": ..., "test": ...}``.

The integer labels of the file are not used: the class string is looked up in the class list.
"""

from __future__ import annotations

import json
from pathlib import Path

from susx.config import DatasetConfig, ReaderConfig
from susx.datasets.label_map import LabelMap
from susx.datasets.readers.file_splits import assemble
from susx.datasets.split import TargetSplit
from susx.errors import ConfigError
from susx.text_file import listed_path, read_text

__all__ = ["read_coop"]


def read_coop(
    config: DatasetConfig, reader: ReaderConfig, root: Path | None, split: str
) -> TargetSplit | None:
    """Read ``<root>/<folder>/<options.file>``; image paths are below ``options.images`` of the same folder.

    Raises:
        ConfigError: the file is not such a split file, or names a class that is not in the list.
    """
    if root is None:
        return None
    folder = root / reader.folder
    file = folder / str(reader.options.get("file", "split.json"))
    if not file.is_file():
        return None
    try:
        rows = json.loads(read_text(file))[str(reader.options.get(split, split))]
        triples = [(str(image), str(name)) for image, _, name in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{file} is not a split file: expected {{'train': [[image, label, class], ...], 'val': ..., 'test': ...}},"
            f" found {type(error).__name__} ({error})."
        ) from error
    images = folder / str(reader.options.get("images", ""))
    return assemble(
        ((listed_path(images, image), name, image.replace("\\", "/")) for image, name in triples),
        LabelMap(config.classes, reader.class_map),
        reader,
        file,
    )
