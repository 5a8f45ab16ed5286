"""What thread textures share: dyeing, shading between dark gaps and light yarn, and folding coordinates."""

from __future__ import annotations

import numpy as np

from susx.demo.textures.canvas import Canvas, Field, Image, clip01, mix, planes
from susx.demo.textures.palette import luminance

__all__ = ["dyed", "fold", "mix_light"]


def dyed(canvas: Canvas, tone: Field, light: Field) -> Image:
    """Colour from accent (0) to foreground (1) times ``light``: dark dyes are lifted so that the relief shows."""
    lift = max(0.0, 0.42 - luminance(canvas.palette.foreground))
    thread = canvas.palette.foreground * (1 - lift) + lift
    return clip01(mix(canvas.palette.accent, thread, clip01(tone)) * planes(light))


def mix_light(low: float, high: Field, amount: Field) -> Field:
    """Blend a constant darkness and a light field."""
    mixed: Field = (low + (high - low) * amount).astype(np.float32)
    return mixed


def fold(values: Field) -> Field:
    """Distance (0 to 0.5) to the middle of the unit interval that each value lies in."""
    distance: Field = np.abs(values - np.floor(values) - np.float32(0.5))
    return distance
