"""Reader of the embedded textures: images are drawn when they are asked for."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PIL import Image

from susx.config import DatasetConfig, ReaderConfig
from susx.datasets.split import TargetSplit
from susx.errors import ConfigError

__all__ = ["read_demo"]


def read_demo(
    config: DatasetConfig, reader: ReaderConfig, root: Path | None, split: str
) -> TargetSplit | None:
    """Return ``options[split]`` images of every class, class after class; needs no folder.

    Raises:
        ConfigError: a class has no procedural texture.
    """
    from susx.demo.textures import CATEGORIES

    count = int(reader.options.get(split, 0))
    unknown = [name for name in config.classes if name not in CATEGORIES]
    if unknown:
        raise ConfigError(
            f"The demo reader draws the {len(CATEGORIES)} textures only; '{unknown[0]}' is none of them."
        )
    if count <= 0:
        return None
    items, names = [], []
    for label, category in enumerate(config.classes):
        for index in range(count):
            items.append((partial(_draw, category, split, index), label))
            names.append(f"{split}/{category}/{index:04d}")
    return TargetSplit(tuple(items), tuple(names))


def _draw(category: str, split: str, index: int) -> Image.Image:
    from susx.demo.textures import SPLITS, render

    return Image.fromarray(render(category, SPLITS[split], split, index))
