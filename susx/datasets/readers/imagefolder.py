"""Reader of folders of images, one folder per class, with or without a folder per split.

Options: ``val`` and ``test`` name the folder of a split (``.`` for the folder itself); ``val_list`` and ``test_list``
name a text file of relative image paths, one a line; ``paths`` and ``flags`` name two files of ``id value`` lines
(relative path, and 1 for training, 0 for test). A copy with none of these is cut within each class (:mod:`susx.datasets.cut`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from susx.config import DatasetConfig, ReaderConfig
from susx.datasets.label_map import LabelMap
from susx.datasets.readers.file_splits import assemble
from susx.datasets.split import TargetSplit
from susx.errors import ConfigError
from susx.image_folder import images_below
from susx.text_file import listed_path, read_lines

__all__ = ["read_imagefolder"]


def read_imagefolder(
    config: DatasetConfig, reader: ReaderConfig, root: Path | None, split: str
) -> TargetSplit | None:
    """Read the images of a split; the class of an image is the name of the folder it lies in.

    Raises:
        ConfigError: a folder that leads to no class.
    """
    if root is None or not (root / reader.folder).is_dir():
        return None
    folder = root / reader.folder
    options = {key: str(value) for key, value in reader.options.items()}
    if "paths" in options:
        return _assemble(_flagged(folder, options, split), folder / options.get("images", ""), config, reader)
    if f"{split}_list" in options:
        file = folder / options[f"{split}_list"]
        if not file.is_file():
            return None
        below = folder / options.get("images", "")
        listed = (listed_path(below, line) for line in read_lines(file) if Path(line).suffix)
        return _assemble(listed, below, config, reader)
    if "val" in options or "test" in options:
        below = folder / options.get(split, "?")
        return _assemble(_below(below), below, config, reader) if below.is_dir() else None
    below = folder / options.get("images", "")
    if not below.is_dir():
        return None
    return _assemble(_below(below), below, config, reader, cut=split)


def _below(folder: Path) -> Iterator[Path]:
    # An image that lies in no class folder has no label: previews and contact sheets are common there.
    return (path for path in images_below(folder).files if path.parent != folder)


def _flagged(folder: Path, options: dict[str, str], split: str) -> Iterator[Path]:
    if split != "test" or not (folder / options["paths"]).is_file():
        return
    flags = dict(_pairs(folder / options["flags"]))
    for number, path in _pairs(folder / options["paths"]):
        if number not in flags:
            raise ConfigError(
                f"{folder / options['flags']} has no line for the image {number} of {options['paths']}; the two belong together."
            )
        if flags[number] == "0":
            yield listed_path(folder / options.get("images", ""), path)


def _pairs(file: Path) -> Iterator[tuple[str, str]]:
    for line_number, line in enumerate(read_lines(file), start=1):
        if line:
            first, _, rest = line.replace("\t", " ").partition(" ")
            if not rest.strip():
                raise ConfigError(f"{file}, line {line_number}: expected two words, found '{line}'.")
            yield first, rest.strip()


def _assemble(
    paths: Iterator[Path], below: Path, config: DatasetConfig, reader: ReaderConfig, *, cut: str = ""
) -> TargetSplit | None:
    rows = ((path, _class(path, below), _name(path, below)) for path in paths)
    return assemble(rows, LabelMap(config.classes, reader.class_map), reader, below, cut=cut)


def _class(path: Path, below: Path) -> str:
    # Nested class folders ("a/abbey", "c/cathedral/indoor") are one class string.
    return _name(path.parent, below)


def _name(path: Path, below: Path) -> str:
    return path.relative_to(below).as_posix() if path.is_relative_to(below) else path.as_posix()
