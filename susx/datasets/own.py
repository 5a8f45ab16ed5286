"""Describing one's own data set: a YAML from a list of names or a folder of folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from susx.config import DatasetConfig
from susx.errors import ConfigError
from susx.store import write_atomically

__all__ = ["describe_folder", "describe_names", "new_dataset", "split_folders"]

SPLIT_WORDS = {
    "train": "support", "training": "support", "val": "validation", "valid": "validation", "validation": "validation",
    "dev": "validation", "test": "test", "testing": "test",
}  # fmt: skip
"""What folders of splits are called -> the split."""


def new_dataset(name: str, source: Path, out: Path, *, force: bool = False) -> DatasetConfig:
    """Write the YAML of a data set and return it.

    Args:
        name: of the data set.
        source: a text file with a class name a line (blank lines and lines that begin with ``#`` are left out), or a
            folder with one folder of images per class, or such a folder for each split (train, val, test).
        out: the YAML.
        force: write over an existing file.

    Raises:
        ConfigError: nothing to read, a bad name, or the file exists.
    """
    if out.exists() and not force:
        raise ConfigError(f"{out} exists; give --force to write over it.")
    data = describe_folder(source) if source.is_dir() else describe_names(source)
    data = {"name": name, "photo_prompt": "A photo of a {}.", **data}
    try:
        config = DatasetConfig.model_validate(data)
    except ValidationError as error:
        reason = "; ".join(item["msg"].removeprefix("Value error, ") for item in error.errors()[:3])
        raise ConfigError(f"{source} does not make a data set: {reason}.") from error
    _write(out, yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100))
    return config


def describe_names(file: Path) -> dict[str, Any]:
    """Return the classes of a text file, a name a line, in the order of the lines.

    Raises:
        ConfigError: the file is missing, no text, or empty.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{file} cannot be read ({error}); expected a text file with a class name a line, or a folder of folders."
        ) from error
    names = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not names:
        raise ConfigError(f"{file} names no classes; write one a line.")
    return {"classes": names}


def split_folders(folder: Path) -> dict[str, str]:
    """Return split -> folder where a folder holds nothing but folders of splits (train, val, test), else nothing.

    A folder of vehicles may have a class ``train``: only two such folders or more, each with folders in it, are splits.
    """
    inside = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    found = {SPLIT_WORDS[path.name.lower()]: path.name for path in inside if path.name.lower() in SPLIT_WORDS}
    nested = all(any(below.is_dir() for below in path.iterdir()) for path in inside)
    return found if len(found) == len(inside) >= 2 and nested else {}


def describe_folder(folder: Path) -> dict[str, Any]:
    """Return classes and reader of a folder of class folders, with or without a folder per split around them.

    Raises:
        ConfigError: it holds no folders.
    """
    splits = split_folders(folder)
    around = [folder / name for name in splits.values()] or [folder]
    folders = sorted(
        {
            path.name
            for each in around
            for path in each.iterdir()
            if path.is_dir() and not path.name.startswith(".")
        }
    )
    if not folders:
        raise ConfigError(f"{folder} holds no folders; expected one folder of images per class.")
    names = {name: " ".join(name.replace("_", " ").split()) for name in folders}
    data: dict[str, Any] = {"classes": list(names.values())}
    reader: dict[str, Any] = {"kind": "imagefolder", "folder": folder.resolve().name}
    options = {
        key: splits[split] for key, split in (("val", "validation"), ("test", "test")) if split in splits
    }
    # Folder names are written down once, here; the reader looks them up and never sorts.
    differing = {name: clean for name, clean in names.items() if name != clean}
    reader |= {"options": options} if options else {}
    return {**data, "reader": {**reader, "class_map": differing} if differing else reader}


def _write(path: Path, text: str) -> None:
    try:
        write_atomically(path, text.encode("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error}.") from error
