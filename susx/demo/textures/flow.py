"""Textures that follow a direction field: line integral convolution (Cabral & Leedom, SIGGRAPH 1993)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float32, Int
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from susx.demo.textures.canvas import Canvas, Field, clip01

__all__ = ["fine_grain", "streaks"]


def streaks(canvas: Canvas, source: Field, angle: Field, steps: int = 10, stride: float = 1.0) -> Field:
    """Smear ``source`` along ``angle`` (radians per pixel): ``steps`` samples both ways, ``stride`` pixels apart.

    Returns a field stretched to fill [0, 1]; each sample follows the local direction, so streaks bend.
    """
    size = canvas.size
    rows, columns = _pixels(size)
    dx, dy = np.float32(stride) * np.cos(angle), np.float32(stride) * np.sin(angle)
    total = source.astype(np.float32).copy()
    flat, across, down = source.ravel(), dx.ravel(), dy.ravel()
    for sign in (1.0, -1.0):
        x, y = columns.copy(), rows.copy()
        for step in range(1, steps + 1):
            index = _wrapped(y, size) * size + _wrapped(x, size)
            x += sign * across.take(index)
            y += sign * down.take(index)
            total += np.float32(1.0 - step / (steps + 1)) * flat.take(index)
    low, high = _quantiles(total, (0.01, 0.99))
    stretched: Field = clip01((total - low) / max(float(high - low), 1e-6)).astype(np.float32)
    return stretched


def _wrapped(positions: Field, size: int) -> Int[np.ndarray, "size size"]:
    """The pixels that positions are nearest to, on a picture that goes on at its other side."""
    nearest = np.rint(positions).astype(np.intp)
    # The same for a power of two, in a tenth of the time.
    wrapped: NDArray[np.intp] = nearest & (size - 1) if size & (size - 1) == 0 else nearest % size
    return wrapped


def _quantiles(values: Field, shares: tuple[float, ...]) -> list[np.float64]:
    """Linear quantiles, in the steps and the precision of ``numpy.quantile``, which takes fifteen times as long over 4,096 values."""
    ordered = np.sort(values, axis=None)
    quantiles = []
    for share in shares:
        at = (ordered.size - 1) * share
        below = int(at)
        low, high = ordered[below : below + 2]
        part, step = at - below, np.float64(high - low)
        quantiles.append(np.float64(high - step * (1 - part) if part >= 0.5 else low + step * part))
    return quantiles


@lru_cache(maxsize=8)
def _pixels(size: int) -> Float32[np.ndarray, "2 size size"]:
    pixels = np.mgrid[0:size, 0:size].astype(np.float32)
    pixels.flags.writeable = False
    return pixels


def fine_grain(canvas: Canvas) -> Field:
    """Noise a little coarser than a pixel, so that streaks of it do not show the pixel grid."""
    soft: Field = gaussian_filter(canvas.grain(), 0.8, mode="wrap")
    return soft
