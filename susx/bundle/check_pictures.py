"""Pictures drawn to check a bundle with: shapes of every size over gradients and noise, the same each time."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

__all__ = ["drawn_pictures"]

_SIZES = (
    (640, 427), (427, 640), (500, 375), (333, 500), (1024, 768), (224, 224), (225, 224), (100, 60), (61, 400), (300, 31), (1, 1),
    (2, 7), (641, 480), (227, 340), (256, 256), (800, 533),
)  # fmt: skip
"""Width and height: photographs' proportions, sides that leave remainders, and pictures smaller than any encoder's input."""


def drawn_pictures(count: int, seed: int = 0) -> list[Image.Image]:
    """Return ``count`` RGB pictures; the first ones are of each of ``_SIZES``."""
    return [_drawn(np.random.default_rng((seed, n)), *_SIZES[n % len(_SIZES)]) for n in range(count)]


def _drawn(random: np.random.Generator, width: int, height: int) -> Image.Image:
    corners = random.integers(0, 256, (2, 2, 3), dtype=np.uint8)
    picture = Image.fromarray(corners).resize((width, height), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    for _ in range(int(random.integers(3, 14))):
        x, y = random.integers(0, width), random.integers(0, height)
        a, b = 1 + random.integers(0, max(2, width // 2)), 1 + random.integers(0, max(2, height // 2))
        box = (int(x), int(y), int(x + a), int(y + b))
        colour = tuple(int(c) for c in random.integers(0, 256, 3))
        (pen.ellipse if random.random() < 0.5 else pen.rectangle)(box, fill=colour)
    picture = picture.filter(ImageFilter.GaussianBlur(float(random.uniform(0, 2))))
    values = np.asarray(picture, dtype=np.float64)
    noisy = values + random.normal(0, random.uniform(0, 40), values.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
