"""Checking a local copy of a data set against its description."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from susx.config import DatasetConfig, ReaderConfig
from susx.datasets.label_map import LabelMap
from susx.datasets.split import MOST_UNREADABLE, TargetSplit
from susx.datasets.target_split import find_reader
from susx.errors import ConfigError, SusxError
from susx.text_file import read_text

__all__ = ["DatasetCheck", "SplitCheck", "check_dataset"]

_DECODED = 200
"""Images of a split that are decoded: where a build would refuse the split (more than a twentieth is damaged), all of them are sound
with a probability below 4e-5."""


@dataclass(frozen=True)
class SplitCheck:
    """What one split of the copy holds.

    Attributes:
        split: val or test.
        layout: the reader that found it.
        images: number of images listed.
        expected: published number, where it is known.
        per_class: images of every class, in label order.
        missing: listed files that are not on the disk.
        decoded: images that were decoded: all, or as many evenly spread ones as show damage that a build refuses.
        undecodable: name -> reason of those that cannot be.
        notes: what is remarkable but harmless, one sentence each.
    """

    split: str
    layout: str
    images: int
    expected: int | None
    per_class: tuple[int, ...]
    missing: tuple[Path, ...]
    decoded: int = 0
    undecodable: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def problems(self, classes: tuple[str, ...]) -> tuple[str, ...]:
        """Return what is wrong, one sentence each."""
        problems = []
        if self.expected is not None and self.images != self.expected:
            problems.append(f"{self.split}: {self.images} images listed, {self.expected} published.")
        if self.missing:
            shown = ", ".join(str(path) for path in self.missing[:3])
            problems.append(
                f"{self.split}: {len(self.missing)} listed files are not on the disk, first {shown}."
            )
        if len(self.undecodable) > max(1, MOST_UNREADABLE * self.decoded):
            shown = "; ".join(f"{name} ({reason})" for name, reason in [*self.undecodable.items()][:2])
            problems.append(
                f"{self.split}: {len(self.undecodable)} of {self.decoded} images cannot be decoded, first {shown} A build would refuse "
                "this split."
            )
        empty = [name for name, count in zip(classes, self.per_class, strict=True) if not count]
        if empty:
            shown = ", ".join(empty[:5]) + (", ..." if len(empty) > 5 else "")
            problems.append(f"{self.split}: {len(empty)} of {len(classes)} classes have no image: {shown}.")
        return tuple(problems)


@dataclass(frozen=True)
class DatasetCheck:
    """The splits that were found and what is wrong with the copy."""

    splits: tuple[SplitCheck, ...]
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether the copy can be used as it is."""
        return not self.problems


def check_dataset(config: DatasetConfig, root: Path | None) -> DatasetCheck:
    """Read every split of a local copy and compare it with the description: counts, files, label order."""
    splits: list[SplitCheck] = []
    problems: list[str] = []
    if root is not None and not root.is_dir():
        raise ConfigError(f"The data root {root} is not a folder; give the folder that holds the data sets.")
    for split in ("val", "test"):
        for reader in config.readers:
            try:
                read = find_reader(reader.kind)(config, reader, root, split)
            except SusxError as error:
                problems.append(f"{split}: {error}")
                break
            if read is not None:
                check = _check(config, reader, root, split, read)
                splits.append(check)
                problems.extend(check.problems(config.classes))
                break
    if not splits and not problems:
        where = (
            " or ".join(sorted({str((root or Path("DATA_ROOT")) / r.folder) for r in config.readers}))
            or "nowhere"
        )
        problems.append(
            f"No copy of '{config.name}' was found (looked in {where}). Get it from {config.source or 'its authors'}"
            f"{' (' + config.licence + ')' if config.licence else ''}."
        )
    return DatasetCheck(tuple(splits), tuple(problems))


def _check(
    config: DatasetConfig, reader: ReaderConfig, root: Path | None, split: str, target: TargetSplit
) -> SplitCheck:
    counts = Counter(target.labels)
    places = sorted({round(step * (len(target) - 1) / max(1, _DECODED - 1)) for step in range(_DECODED)})
    missing = tuple(path for path in target.paths if path is not None and not path.is_file())
    undecodable = {} if missing else _undecodable(target, places)
    return SplitCheck(
        split=split,
        layout=reader.kind,
        images=len(target),
        expected=reader.counts.get(split),
        per_class=tuple(counts.get(label, 0) for label in range(len(config.classes))),
        missing=missing,
        decoded=len(places),
        undecodable=undecodable,
        notes=(
            *_folder_order(target),
            *_file_labels(config, reader, root, split),
            *(
                f"{name} cannot be decoded and would be left out: {reason}"
                for name, reason in [*undecodable.items()][:3]
            ),
        ),
    )


def _undecodable(target: TargetSplit, places: Sequence[int]) -> dict[str, str]:
    def reason(row: int) -> str:
        try:
            target.image(row)
        except Exception as error:  # decoders raise what they like on damaged files
            return str(error) or type(error).__name__
        return ""

    with ThreadPoolExecutor(2) as pool:
        reasons = zip(places, pool.map(reason, places), strict=True)
        return {target.names[row]: why for row, why in reasons if why}


def _folder_order(target: TargetSplit) -> tuple[str, ...]:
    """Say when folder order is not label order: labels must then not be read from a sort of the folders."""
    labels: dict[str, set[int]] = {}
    for path, label in zip(target.paths, target.labels, strict=True):
        if path is not None:
            labels.setdefault(path.parent.name, set()).add(label)
    if len(labels) < 2 or any(len(values) > 1 for values in labels.values()):
        return ()
    in_folder_order = [next(iter(labels[name])) for name in sorted(labels)]
    moved = sum(a != b for a, b in zip(in_folder_order, sorted(in_folder_order), strict=True))
    if not moved:
        return ()
    return (
        f"Alphabetical folder order differs from label order for {moved} of {len(labels)} classes (read by name).",
    )


def _file_labels(
    config: DatasetConfig, reader: ReaderConfig, root: Path | None, split: str
) -> tuple[str, ...]:
    """Say when the integer labels of a split file are not positions in the class list."""
    if reader.kind != "coop" or root is None:
        return ()
    file = root / reader.folder / str(reader.options.get("file", "split.json"))
    labels = LabelMap(config.classes, reader.class_map)
    rows = json.loads(read_text(file))[str(reader.options.get(split, split))]
    moved = {str(name) for _, number, name in rows if labels.find(str(name)) not in (None, number)}
    return (
        (f"{file.name} numbers {len(moved)} classes otherwise than the class list (read by name).",)
        if moved
        else ()
    )
