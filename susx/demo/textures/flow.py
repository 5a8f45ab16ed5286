"""Textures that follow a direction field: line integral convolution (Cabral & Leedom, SIGGRAPH 1993)."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from susx.demo.textures.canvas import Canvas, Field, clip01

__all__ = ["fine_grain", "streaks"]


def streaks(canvas: Canvas, source: Field, angle: Field, steps: int = 10, stride: float = 1.0) -> Field:
    """Smear ``source`` along ``angle`` (radians per pixel): ``steps`` samples both ways, ``stride`` pixels apart.

    Returns a field stretched to fill [0, 1]; each sample follows the local direction, so streaks bend.
    """
    size = canvas.size
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    dx, dy = np.float32(stride) * np.cos(angle), np.float32(stride) * np.sin(angle)
    total = source.astype(np.float32).copy()
    flat, across, down = source.ravel(), dx.ravel(), dy.ravel()
    for sign in (1.0, -1.0):
        x, y = columns.copy(), rows.copy()
        for step in range(1, steps + 1):
            index = (np.rint(y).astype(np.int32) % size) * size + np.rint(x).astype(np.int32) % size
            x += sign * across.take(index)
            y += sign * down.take(index)
            total += np.float32(1.0 - step / (steps + 1)) * flat.take(index)
    low, high = np.quantile(total, (0.01, 0.99))
    stretched: Field = clip01((total - low) / max(float(high - low), 1e-6)).astype(np.float32)
    return stretched


def fine_grain(canvas: Canvas) -> Field:
    """Noise a little coarser than a pixel, so that streaks of it do not show the pixel grid."""
    soft: Field = gaussian_filter(canvas.grain(), 0.8, mode="wrap")
    return soft
