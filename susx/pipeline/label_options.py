"""What a person asks of ``susx label``, declared once: the command, the Python API and the Prefect flow take it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from susx.config import DatasetConfig, load_dataset
from susx.config.complaints import complaints
from susx.datasets.describe import describe_names
from susx.errors import ConfigError, did_you_mean
from susx.pipeline.options import STORE

__all__ = ["LabelOptions", "class_list"]


@dataclass(frozen=True)
class LabelOptions:
    """What is labelled, with what.

    Attributes:
        folder: of photographs, at any depth.
        classes: file of class names, a name a line, or a data set (YAML, or its name); "" where ``names`` says them.
        names: the class names themselves.
        out: folder of the result.
        profile: name or path of a profile.
        pool: folder of an index, or one with ``features.npy``; None: the profile's own.
        no_pool: leave the profile's pool aside, too.
        corrections: CSV of what people said; None: that of the result.
        prompts: photo, ensemble or cupl; None: the profile's own.
        store: where features are kept.
        settings: key=value with a dotted key of the profile.
    """

    folder: str
    classes: str = ""
    names: tuple[str, ...] = ()
    out: str = "labels"
    profile: str = "demo"
    pool: str | None = None
    no_pool: bool = False
    corrections: str | None = None
    prompts: str | None = None
    store: str = STORE
    settings: tuple[str, ...] = ()


def class_list(options: LabelOptions) -> DatasetConfig:
    """Return the classes as a data set.

    Raises:
        ConfigError: none are named, they are named twice over, or one of them cannot be.
    """
    if bool(options.classes) == bool(options.names):
        what = "both were given" if options.classes else "neither was given"
        raise ConfigError(
            f'Class names are wanted: --classes names.txt (a name a line, or a YAML) or --names "cat, dog"; {what}.'
        )
    if options.names:
        return _named("names", options.names, "--names")
    path = Path(options.classes).expanduser()
    if path.suffix.lower() in {".yaml", ".yml"}:
        return load_dataset(str(path))
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; --classes takes a file with a class name a line, or a YAML.")
    if path.is_file():
        return _named(path.stem, tuple(describe_names(path)["classes"]), str(path))
    if path.suffix or "/" in options.classes:
        near = [entry.name for entry in path.parent.glob("*.txt")] if path.parent.is_dir() else []
        raise ConfigError(
            f"There is no file {path} with class names.{did_you_mean(path.name, near) if near else ''} Write one: a name a line."
        )
    return load_dataset(options.classes)


def _named(name: str, classes: tuple[str, ...], where: str) -> DatasetConfig:
    import re

    identifier = re.sub(r"[^\w.-]+", "-", name).strip("-._") or "names"
    try:
        return DatasetConfig(name=identifier, classes=classes)
    except ValidationError as error:
        reason = complaints(error)
        raise ConfigError(f"The class names of {where} cannot be used: {reason}.") from error
