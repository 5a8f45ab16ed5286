"""Reader of CLIP_benchmark's webdatasets (``wds_*``): a folder of tar shards per split, class numbers, names in a file.

``classnames.txt`` has a name a line; ``test/0.tar`` holds ``s0000000.webp`` and ``s0000000.cls`` (the line's number, from 0)
a sample. A number leads to a class through its name, never by its position in the configuration. Images are read where
they lie: a shard is walked once for where its members begin. Options: ``val`` and ``test`` name the folder of a split.
"""

from __future__ import annotations

import functools
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from susx.config import DatasetConfig, ReaderConfig
from susx.datasets.labels import LabelMap
from susx.datasets.readers.files import assemble
from susx.datasets.split import ImageSource, StoredImage, TargetSplit
from susx.errors import ConfigError
from susx.image_files import IMAGE_SUFFIXES
from susx.text_file import read_lines

__all__ = ["CLASS_NAMES", "TEMPLATES", "read_class_names", "read_webdataset"]

CLASS_NAMES = "classnames.txt"
TEMPLATES = "zeroshot_classification_templates.txt"
"""Sentences with ``{c}`` for the class name, one a line."""

_LONGEST_NUMBER = 20
"""Bytes of a ``.cls`` member that are read: class numbers have fewer digits."""


@dataclass
class _Sample:
    image: tuple[int, int] | None = None
    """Where the encoded image begins in the shard, and its bytes."""
    number: str = ""
    suffix: str = ""


def read_webdataset(
    config: DatasetConfig, reader: ReaderConfig, root: Path | None, split: str
) -> TargetSplit | None:
    """Read the samples of a split, shard after shard.

    Raises:
        ConfigError: no list of class names, a damaged shard, or a sample without a class of that list.
    """
    if root is None:
        return None
    folder = root / reader.folder
    shards = _shards(folder / str(reader.options.get(split, split)))
    if not shards:
        return None
    names = read_class_names(folder)
    labels = LabelMap(config.classes, reader.class_map)
    return assemble(_rows(shards, names, folder), labels, reader, folder)


def read_class_names(folder: Path) -> list[str]:
    """Return the names of ``classnames.txt`` in the order of its lines.

    Raises:
        ConfigError: it is not there or holds none.
    """
    file = folder / CLASS_NAMES
    names = read_lines(file)
    if not names:
        raise ConfigError(f"{file} names no classes; a webdataset of CLIP_benchmark has one a line there.")
    return names


def _shards(folder: Path) -> list[Path]:
    """Shards by number: ``10.tar`` comes after ``9.tar``."""
    return (
        sorted(folder.glob("*.tar"), key=lambda path: (len(path.stem), path.stem)) if folder.is_dir() else []
    )


def _rows(shards: list[Path], names: list[str], folder: Path) -> Iterator[tuple[ImageSource, str, str]]:
    for shard in shards:
        stat = shard.stat()
        for key, sample in _samples(shard, stat.st_size, stat.st_mtime_ns).items():
            if sample.image is None:
                continue
            name = f"{shard.relative_to(folder).as_posix()}/{key}{sample.suffix}"
            if not (sample.number.isdigit() and int(sample.number) < len(names)):
                found = f"'{sample.number}'" if sample.number else "none"
                raise ConfigError(
                    f"{shard}: sample {key} has a class (.cls) of {found}; expected a number from 0 to {len(names) - 1}, a line of "
                    f"{CLASS_NAMES}. A set of another task (captions, several labels) cannot be measured here."
                )
            yield StoredImage(shard, partial(_read, shard, *sample.image)), names[int(sample.number)], name


@functools.lru_cache(maxsize=64)
def _samples(shard: Path, size: int, changed: int) -> dict[str, _Sample]:
    """Key -> sample of a shard, in its order; size and time are of the shard, so that another one is read anew."""
    samples: dict[str, _Sample] = {}
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                if not member.isfile() or path.name.startswith("."):
                    continue
                stem, _, kind = path.name.partition(".")  # webdataset: the key ends at the first dot
                sample = samples.setdefault((path.parent / stem).as_posix(), _Sample())
                if f".{kind.lower()}" in IMAGE_SUFFIXES:
                    sample.image, sample.suffix = (member.offset_data, member.size), f".{kind}"
                elif kind == "cls":
                    found = tar.extractfile(member)
                    text = found.read(_LONGEST_NUMBER) if found else b""
                    sample.number = text.decode("ascii", "replace").strip()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ConfigError(
            f"{shard} cannot be read as an uncompressed tar ({error}). Get this shard again."
        ) from error
    return samples


def _read(shard: Path, start: int, size: int) -> bytes:
    with shard.open("rb") as file:
        file.seek(start)
        return file.read(size)
