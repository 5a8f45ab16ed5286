"""A collection of captioned pictures of the embedded world, as people publish them: for tests of sources."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from susx.demo.textures import render

__all__ = ["Picture", "pictures"]

LICENCES = ("CC BY 2.0", "CC0 1.0", "CC BY-NC 4.0")


@dataclass(frozen=True)
class Picture:
    """One picture with what a source says of it."""

    class_name: str
    caption: str
    image: bytes
    author: str
    licence: str
    page: str


def pictures(classes: Sequence[str], per_class: int, *, first: int = 0, side: int = 48) -> list[Picture]:
    """Return JPEGs of textures, class by class; the n-th of each class has the n-th of ``LICENCES`` in turn."""
    images = []
    for name in classes:
        for at in range(first, first + per_class):
            file = io.BytesIO()
            Image.fromarray(render(name, "web", "pool", at, side)).save(file, "JPEG", quality=92)
            images.append(
                Picture(
                    name,
                    f"a photo of a {name} texture, number {at}",
                    file.getvalue(),
                    f"Author {at} of {name}",
                    LICENCES[at % len(LICENCES)],
                    f"https://pictures.example/{name}/{at}",
                )
            )
    return images
