"""The labelled images of one split of a target data set, not yet decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from PIL import Image

from susx.datasets.cut import Cut
from susx.errors import InputError
from susx.image_files import LOCAL, open_image, upright_rgb

__all__ = ["MOST_UNREADABLE", "SPLIT_WORDS", "ImageSource", "ReadableImages", "StoredImage", "TargetSplit"]

SPLIT_WORDS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val", "test": "test",
    "testing": "test",
}  # fmt: skip
"""What folders, files and columns call a split, in small letters -> the split."""

MOST_UNREADABLE = 0.05
"""Largest share of a split that may be undecodable; one image always may. What is left is another data set beyond it."""


@dataclass(frozen=True)
class StoredImage:
    """An encoded image inside a file that holds many (a tar, a table); ``read`` returns its bytes."""

    file: Path
    read: Callable[[], bytes]


ImageSource: TypeAlias = "Path | StoredImage | Callable[[], Image.Image]"
"""A file, a part of one, or a function that makes the image when it is asked for."""


@dataclass(frozen=True)
class TargetSplit:
    """Images with labels; ``items[i]`` is ``(source, label)`` and ``names[i]`` identifies it for people.

    A label is a position in the class list of the data set's configuration.
    """

    items: tuple[tuple[ImageSource, int], ...]
    names: tuple[str, ...]
    cut: Cut | None = None
    """Where the copy has no official splits: how many of its images went where."""

    def __post_init__(self) -> None:
        if len(self.items) != len(self.names):
            raise ValueError(f"{len(self.items)} items but {len(self.names)} names")

    def __len__(self) -> int:
        return len(self.items)

    @property
    def labels(self) -> tuple[int, ...]:
        """Label of every item, in order."""
        return tuple(label for _, label in self.items)

    @property
    def paths(self) -> tuple[Path | None, ...]:
        """File that holds every item, None where the image is made on demand."""
        return tuple(
            source if isinstance(source, Path) else source.file if isinstance(source, StoredImage) else None
            for source, _ in self.items
        )

    def image(self, index: int) -> Image.Image:
        """Decode one image exactly as support images and queries are decoded."""
        source = self.items[index][0]
        if isinstance(source, StoredImage):
            return open_image(source.read(), LOCAL)
        return open_image(source, LOCAL) if isinstance(source, Path) else upright_rgb(source())

    def images(self) -> Iterator[Image.Image]:
        """Decode the images one after the other, in order."""
        return (self.image(i) for i in range(len(self)))


@dataclass
class ReadableImages:
    """The images of a split that can be decoded, in order, with an account of those that cannot.

    Attributes:
        split: the labelled images.
        places: of the images that were decoded so far, in the split.
        unreadable: name -> reason of those that were not.

    Raises:
        InputError: while iterating, when more than ``MOST_UNREADABLE`` of the split cannot be decoded.
    """

    split: TargetSplit
    places: list[int] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Image.Image]:
        for row, name in enumerate(self.split.names):
            try:
                image = self.split.image(row)
            except Exception as error:  # decoders raise what they like on damaged files
                self.unreadable[name] = f"{type(error).__name__}: {error}"
                if len(self.unreadable) > max(1, MOST_UNREADABLE * len(self.split)):
                    raise InputError(self._refusal(row + 1)) from error
                continue
            self.places.append(row)
            yield image

    def _refusal(self, seen: int) -> str:
        shown = "; ".join(f"{name} ({reason})" for name, reason in [*self.unreadable.items()][:3])
        return (
            f"{len(self.unreadable)} of the first {seen} images of a split of {len(self.split)} cannot be decoded, more than "
            f"{MOST_UNREADABLE:.0%} of it: {shown}. Get these files again ('susx datasets check' compares a copy with "
            "its description)."
        )
