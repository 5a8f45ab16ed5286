"""Describing one's own data set: a YAML, and sentences beside it where the source has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import yaml
from pydantic import ValidationError

from susx.config import DatasetConfig
from susx.config.complaints import complaints
from susx.datasets.describe import describe
from susx.datasets.target_split import Split, read_split
from susx.errors import ConfigError, SusxError
from susx.store import write_atomically

__all__ = ["new_dataset"]


def new_dataset(
    name: str, source: Path, out: Path, *, class_column: str = "", force: bool = False
) -> DatasetConfig:
    """Write the YAML of a data set and return it.

    Args:
        name: of the data set.
        source: a text file with a class name a line (blank lines and lines that begin with ``#`` are left out); a
            folder with one folder of images per class, or such a folder for each split (train, val, test); a CSV or TSV with a row per
            image; a parquet file or folder of Hugging Face ``datasets``; a webdataset of CLIP_benchmark, whose sentences go into a
            file beside the YAML.
        out: the YAML.
        class_column: of a table, where several could be meant.
        force: write over an existing file.

    Raises:
        ConfigError: nothing to read, a bad name, or the file exists. Nothing is written then.
    """
    sentences = out.with_name(f"{out.stem}-sentences.json")
    data = {"name": name, "photo_prompt": "A photo of a {}.", **describe(source, class_column)}
    templates = data.pop("templates", ())
    if len(templates) > 1:
        data["cupl"] = sentences.name
    for file in (out, *((sentences,) if "cupl" in data else ())):
        if file.exists() and not force:
            raise ConfigError(f"{file} exists; give --force to write over it.")
    try:
        config = DatasetConfig.model_validate(data)
    except ValidationError as error:
        reason = complaints(error)
        raise ConfigError(f"{source} does not make a data set: {reason}.") from error
    _check_readable(config, source)
    if config.cupl:
        written = {c: [template.replace("{c}", c) for template in templates] for c in config.classes}
        _write(sentences, json.dumps(written, ensure_ascii=False, indent=1) + "\n")
    _write(out, yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100))
    return config


def _check_readable(config: DatasetConfig, source: Path) -> None:
    """Read what was described, as a build will: a description that its own reader refuses helps nobody."""
    if config.reader is None:
        return
    folder = source.resolve() if source.is_dir() else source.resolve().parent
    try:
        for split in get_args(Split):
            read_split(config, folder.parent, split)
    except SusxError as error:
        raise ConfigError(f"{source} is understood, but its images cannot be read: {error}") from error


def _write(path: Path, text: str) -> None:
    try:
        write_atomically(path, text.encode("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error}.") from error
