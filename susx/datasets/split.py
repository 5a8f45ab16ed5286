"""The labelled images of one split of a target data set, not yet decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from PIL import Image

__all__ = ["ImageSource", "TargetSplit", "open_rgb"]

ImageSource: TypeAlias = "Path | Callable[[], Image.Image]"
"""A file, or a function that makes the image when it is asked for."""


def open_rgb(path: Path) -> Image.Image:
    """Read an image file completely and convert it to RGB."""
    with Image.open(path) as image:
        return image.convert("RGB")


@dataclass(frozen=True)
class TargetSplit:
    """Images with labels; ``items[i]`` is ``(source, label)`` and ``names[i]`` identifies it for people.

    A label is a position in the class list of the data set's configuration.
    """

    items: tuple[tuple[ImageSource, int], ...]
    names: tuple[str, ...]

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
        """File of every item, None where the image is made on demand."""
        return tuple(source if isinstance(source, Path) else None for source, _ in self.items)

    def image(self, index: int) -> Image.Image:
        """Decode one image as RGB."""
        source = self.items[index][0]
        return open_rgb(source) if isinstance(source, Path) else source().convert("RGB")

    def images(self) -> Iterator[Image.Image]:
        """Decode the images one after the other, in order."""
        return (self.image(i) for i in range(len(self)))
