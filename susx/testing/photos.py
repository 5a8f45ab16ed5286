"""A folder of photographs of the embedded world, as a camera takes them: for tests of what labels folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from susx.demo.textures import render

__all__ = ["take_photos"]


def take_photos(
    folder: Path, classes: Sequence[str], per_class: int, *, side: int = 64, first: int = 0
) -> dict[str, str]:
    """Write photographs whose names tell nothing, and return name -> class, the hidden truth.

    Args:
        folder: made if need be.
        classes: textures of the embedded world.
        per_class: photographs of each.
        side: width and height in pixels.
        first: number of the first photograph of each class, so that other folders hold others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    truth: dict[str, str] = {}
    for at in range(per_class):
        for name in classes:
            file = f"IMG_{len(truth):04d}.png"
            Image.fromarray(render(name, "camera", "test", first + at, side)).save(folder / file)
            truth[file] = name
    return truth
