"""Reader of CLIP_benchmark's webdatasets (``wds_*``): a folder of tar shards per split, class numbers, names in a file.

``classnames.txt`` has a name a line; ``test/0.tar`` holds ``s0000000.webp`` and ``s0000000.cls`` (the line's number, from 0)
a sample. A number leads to a class through its name, never by its position in the configuration. Images are read where
they lie: a shard is walked once for where its members begin. Options: ``val`` and ``test`` name the folder of a split. Shards that lie in
no folder of a split (an exported support set, with ``classes.json``) are dealt to val and test by the names of their samples.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO

from susx.config import DatasetConfig, ReaderConfig
from susx.datasets.label_map import LabelMap
from susx.datasets.readers.file_splits import assemble
from susx.datasets.split import ImageSource, StoredImage, TargetSplit
from susx.errors import ConfigError
from susx.records import EXPORTED_CLASSES
from susx.store.disk import facts_of
from susx.tar_samples import Member, TarSample, tar_samples
from susx.text_file import read_lines, read_text
from susx.user_folder import files_below

__all__ = ["CLASS_NAMES", "TEMPLATES", "read_class_names", "read_webdataset"]

logger = logging.getLogger(__name__)

CLASS_NAMES = "classnames.txt"
TEMPLATES = "zeroshot_classification_templates.txt"
"""Sentences with ``{c}`` for the class name, one a line."""

_LONGEST_NUMBER = 20
"""Bytes of a ``.cls`` member that are read: class numbers have fewer digits."""


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
    undivided = not shards and not {"val", "test"} & reader.options.keys()
    if undivided:
        shards = _shards(folder)
    if not shards:
        return None
    rows, labels = _rows(shards, read_class_names(folder), folder), LabelMap(config.classes, reader.class_map)
    return assemble(rows, labels, reader, folder, cut=split if undivided else "")


def read_class_names(folder: Path) -> list[str]:
    """Return the names of ``classnames.txt`` in the order of its lines.

    Raises:
        ConfigError: it is not there or holds none.
    """
    file = folder / CLASS_NAMES
    if not file.is_file() and (folder / EXPORTED_CLASSES).is_file():
        return [str(name) for name in json.loads(read_text(folder / EXPORTED_CLASSES))]
    names = read_lines(file)
    lines: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if name and name in lines:
            raise ConfigError(
                f"{file}: '{name}' stands in line {lines[name]} and in line {number}: two classes of one name cannot be told apart, and "
                "the numbers after them would shift. Write names that differ ('missile', 'projectile') into these lines."
            )
        lines[name] = number
    if not names:
        raise ConfigError(f"{file} names no classes; a webdataset of CLIP_benchmark has one a line there.")
    return names


def _shards(folder: Path) -> list[Path]:
    """Shards by number: ``10.tar`` comes after ``9.tar``."""
    if not folder.is_dir():
        return []
    tars = [path for path in files_below(folder, {".tar"}).files if path.parent == folder]
    return sorted(tars, key=lambda path: (len(path.stem), path.stem))


def _rows(shards: list[Path], names: list[str], folder: Path) -> Iterator[tuple[ImageSource, str, str]]:
    for shard in shards:
        further = 0
        for sample, written in _samples(shard, tuple(facts_of(shard))):
            if sample.image is None:
                continue
            further += len(sample.images) - 1
            name = f"{shard.relative_to(folder).as_posix()}/{sample.key}.{sample.images[0]}"
            number = written.removesuffix(".0")  # some writers have whole numbers as floats
            if not (number.isascii() and number.isdigit() and int(number) < len(names)):
                written_text = f"'{written}'" if written else "none"
                raise ConfigError(
                    f"{shard}: sample {sample.key} has a class (.cls) of {written_text}; expected a number from 0 to {len(names) - 1}, a line "
                    f"of {CLASS_NAMES}. A set of another task (captions, several labels) cannot be measured here."
                )
            read = partial(_read, shard, sample.image.start, sample.image.size)
            yield StoredImage(shard, read), names[int(number)], name
        if further:
            logger.warning(
                "%s: %d samples' further images are passed over (one image a sample is read)", shard, further
            )


@functools.lru_cache(maxsize=64)
def _samples(shard: Path, facts: tuple[int, ...]) -> tuple[tuple[TarSample, str], ...]:
    """Samples of a shard and what their ``.cls`` says; with other facts it is another shard, also where its time was set back."""
    samples = tar_samples(shard, ConfigError, compressed=False)
    with shard.open("rb") as file:
        return tuple((sample, _number(file, sample.parts.get("cls"))) for sample in samples)


def _number(file: IO[bytes], member: Member | None) -> str:
    if member is None:
        return ""
    file.seek(member.start)
    return file.read(min(member.size, _LONGEST_NUMBER)).decode("ascii", "replace").strip()


def _read(shard: Path, start: int, size: int) -> bytes:
    with shard.open("rb") as file:
        file.seek(start)
        return file.read(size)
