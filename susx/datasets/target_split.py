"""Reading the val or test split of a target through the readers its configuration names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import Literal, TypeAlias, cast

from susx.config import DatasetConfig, ReaderConfig
from susx.config.readers import READERS, known_readers
from susx.datasets.split import TargetSplit
from susx.errors import ConfigError
from susx.offered import load_offered

__all__ = ["Reader", "Split", "find_reader", "read_split"]

Split: TypeAlias = Literal["val", "test"]
Reader: TypeAlias = Callable[[DatasetConfig, ReaderConfig, "Path | None", str], "TargetSplit | None"]
"""(data set, its ``reader`` section, data root, split) -> the split; None where there is no copy in this layout."""


def find_reader(kind: str) -> Reader:
    """Return the function of a reader; its module is imported now.

    Raises:
        ConfigError: another package offers it, and it cannot be loaded or is no function.
    """
    if kind in READERS:
        return cast("Reader", resolve_name(READERS[kind]))
    entry = known_readers()[kind]
    reader = load_offered(entry)
    if not callable(reader):
        raise ConfigError(
            f"The entry point '{kind}' of {entry.group} ({entry.value}) is no function that reads a split. "
            "Correct or uninstall the package that offers it."
        )
    return cast("Reader", reader)


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
        read = find_reader(reader.kind)(config, reader, data_root, split)
        if read is not None:
            return read
    return None
