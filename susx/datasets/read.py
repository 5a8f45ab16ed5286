"""Reading the val or test split of a target through the readers its configuration names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

from susx.config import DatasetConfig, ReaderConfig
from susx.datasets.readers.coop import read_coop
from susx.datasets.readers.datasets_tables import read_datasets
from susx.datasets.readers.demo import read_demo
from susx.datasets.readers.imagefolder import read_imagefolder
from susx.datasets.readers.table import read_table
from susx.datasets.readers.torchvision_sets import read_torchvision
from susx.datasets.readers.webdataset import read_webdataset
from susx.datasets.split import TargetSplit
from susx.errors import ConfigError

__all__ = ["READERS", "Split", "read_split"]

Split: TypeAlias = Literal["val", "test"]
Reader: TypeAlias = Callable[[DatasetConfig, ReaderConfig, "Path | None", str], "TargetSplit | None"]

READERS: dict[str, Reader] = {
    "coop": read_coop,
    "csv": read_table,
    "datasets": read_datasets,
    "demo": read_demo,
    "imagefolder": read_imagefolder,
    "torchvision": read_torchvision,
    "webdataset": read_webdataset,
}


def read_split(config: DatasetConfig, data_root: Path | None, split: Split) -> TargetSplit | None:
    """Return the labelled images of a split, or None where the data set has none or no copy is there.

    The reader of the configuration is tried first, then its alternatives; the first that finds the split answers.

    Raises:
        ConfigError: ``data_root`` is not a folder, a copy is damaged, or it holds a class that is not in the list.
    """
    if data_root is not None and not data_root.is_dir():
        raise ConfigError(
            f"The data root {data_root} is not a folder; give the folder that holds the data sets."
        )
    for reader in config.readers:
        read = READERS[reader.kind](config, reader, data_root, split)
        if read is not None:
            return read
    return None
