"""The two domains: "web" (clean pictures, as an index of the web has them) and "camera" (hand-held snapshots).

The gap between them is the point of the data set: a classifier built from web pictures is measured on camera ones.
Each function draws a category function on a larger canvas and returns a ``(size, size, 3)`` uint8 image.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, UInt8
from scipy import ndimage

from susx.demo.textures.canvas import Array, Canvas, clip01, planes, row_of

__all__ = ["DOMAINS", "Draw", "camera", "web"]

Image = Float[np.ndarray, "size size 3"]
Draw = Callable[[Canvas], Image]


def web(draw: Draw, rng: np.random.Generator, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """A clean picture: crop and scale vary a little, colours are as drawn, with a slight overall tone."""
    image = _view(draw(Canvas.blank(rng, size)), rng, zoom=(0.72, 1.0), tilt=0.0, bend=0.0)
    image = image * rng.uniform(0.92, 1.06) + row_of(rng.normal(0, 0.01, 3), size)
    return _to_bytes(image)


def camera(draw: Draw, rng: np.random.Generator, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """A snapshot: seen at an angle, out of focus or shaken, dull, tinted by the lamp, vignetted and noisy."""
    image = _view(draw(Canvas.blank(rng, size)), rng, zoom=(0.62, 0.95), tilt=0.5, bend=0.35)
    blur = rng.uniform(0.35, 1.25) * size / 64
    if rng.random() < 0.3:  # a shake: blur along one axis only
        image = ndimage.gaussian_filter(
            image, (0.3 * blur, 1.7 * blur, 0) if rng.random() < 0.5 else (1.7 * blur, 0.3 * blur, 0)
        )
    else:
        image = ndimage.gaussian_filter(image, (blur, blur, 0))
    mean = image.mean(axis=(0, 1))
    image = mean + rng.uniform(0.40, 0.85) * (image - mean)
    image = image.mean(axis=2, keepdims=True) * (1 - (keep := rng.uniform(0.35, 0.95))) + keep * image
    image = image * (1 + rng.normal(0, 0.10, 3)) * rng.uniform(0.65, 1.15)
    line = np.linspace(-1, 1, size, dtype=np.float32)
    cx, cy = rng.uniform(-0.4, 0.4, 2)
    image = (
        image * (1 - rng.uniform(0.1, 0.4) * ((line - cx) ** 2 + ((line - cy) ** 2)[:, None]) / 2)[..., None]
    )
    noise = rng.standard_normal((size, size, 3), dtype=np.float32)
    image = image + rng.uniform(0.01, 0.05) * (noise + 0.5 * noise[..., :1])
    return _to_bytes(image)


#: Domain name -> how a category is photographed in it.
DOMAINS: dict[str, Callable[[Draw, np.random.Generator, int], UInt8[np.ndarray, "size size 3"]]] = {
    "camera": camera,
    "web": web,
}


def _view(
    image: Image, rng: np.random.Generator, zoom: tuple[float, float], tilt: float, bend: float
) -> Image:
    """Resample under a random crop, mirror, rotation of at most ``tilt`` rad and perspective of at most ``bend``."""
    size = image.shape[0]
    scale = rng.uniform(*zoom)
    angle = rng.uniform(-tilt, tilt)
    px, py = rng.uniform(-bend, bend, 2)
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    room = max(0.0, 0.5 - 0.5 * scale * (1 + tilt * 0.5))
    across, down = rng.uniform(-room, room), rng.uniform(-room, room)
    line = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    if tilt == 0 and bend == 0:  # rows stay rows: a row's and a column's positions tell all
        u, v = np.float32(scale) * mirror * line, np.float32(scale) * line
        return _crop(image, (u + across + 0.5) * (size - 1), (v + down + 0.5) * (size - 1))
    x, y = np.meshgrid(line, line)
    depth = scale / (1 + np.float32(px) * x + np.float32(py) * y)
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    u, v = depth * mirror * (c * x + s * y), depth * (-s * x + c * y)
    return _bilinear(image, (u + across + 0.5) * (size - 1), (v + down + 0.5) * (size - 1))


def _crop(image: Image, u: Float[np.ndarray, " size"], v: Float[np.ndarray, " size"]) -> Image:
    """Sample at the positions of columns and rows, mirrored at the edges: as :func:`_bilinear`, number for number."""
    last = image.shape[0] - 1
    (iu, fu), (iv, fv) = _places(u, last), _places(v, last)
    right, below = np.repeat(fu, 3).reshape(-1, 3), fv[:, None, None]
    columns = image.take(iu, axis=1) * (1 - right) + image.take(iu + 1, axis=1) * right
    sampled: Image = columns.take(iv, axis=0) * (1 - below) + columns.take(iv + 1, axis=0) * below
    return sampled


def _bilinear(image: Image, u: Float[np.ndarray, "size size"], v: Float[np.ndarray, "size size"]) -> Image:
    """Sample at pixel positions, mirrored at the edges."""
    last = image.shape[0] - 1
    (iu, fu), (iv, fv) = _places(u, last), _places(v, last)
    right, lower = planes(fu), planes(fv)
    # By places in the flat image: several times as fast as two lists of indices.
    pixels, flat_index, left = image.reshape(-1, image.shape[2]), iv * image.shape[1] + iu, 1 - right
    below = flat_index + image.shape[1]
    top = pixels.take(flat_index, axis=0) * left + pixels.take(flat_index + 1, axis=0) * right
    low = pixels.take(below, axis=0) * left + pixels.take(below + 1, axis=0) * right
    sampled: Image = top * (1 - lower) + low * lower
    return sampled


def _places(positions: Array, last: int) -> tuple[Array, Array]:
    """The pixel before each position, mirrored at the edges, and how far behind it the position lies (float64)."""
    inside = np.clip(last - np.abs(last - np.abs(positions)), 0, last - 1e-3)
    before = inside.astype(np.intp)
    return before, inside - before


def _to_bytes(image: Image) -> UInt8[np.ndarray, "size size 3"]:
    return (clip01(image) * 255 + 0.5).astype(np.uint8)
