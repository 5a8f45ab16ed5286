"""Random colour schemes for the procedural textures: three related colours with enough contrast, and their names."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

__all__ = ["Palette", "colour_name", "luminance", "random_palette"]

Colour = Float[np.ndarray, "3"]

#: Rec. 709 luma weights.
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)

_NAMED = {
    "red": (0.80, 0.12, 0.12), "orange": (0.93, 0.50, 0.12), "yellow": (0.95, 0.85, 0.25),
    "green": (0.20, 0.58, 0.24), "teal": (0.10, 0.52, 0.52), "blue": (0.15, 0.32, 0.75),
    "purple": (0.48, 0.20, 0.62), "pink": (0.92, 0.52, 0.66), "brown": (0.45, 0.28, 0.15),
    "beige": (0.85, 0.77, 0.62), "white": (0.95, 0.95, 0.94), "grey": (0.52, 0.52, 0.52),
    "black": (0.08, 0.08, 0.09),
}  # fmt: skip
_NAMES, _TABLE = list(_NAMED), np.array(list(_NAMED.values()), np.float32)


@dataclass(frozen=True)
class Palette:
    """Three sRGB colours in [0, 1]; foreground and background differ by at least 0.28 in luma."""

    background: Colour
    foreground: Colour
    accent: Colour


def luminance(colour: Colour) -> float:
    """Rec. 709 luma of an sRGB colour."""
    return float(colour @ _LUMA)


def random_palette(rng: np.random.Generator) -> Palette:
    """Related hues (alike, opposite, or greys) on a light and a dark tone, in either order."""
    hue = rng.random()
    kind = rng.random()
    grey = kind < 0.2
    other = hue + (rng.normal(0, 0.06) if kind < 0.6 else 0.5 + rng.normal(0, 0.1))
    saturation = (0.05, 0.05) if grey else tuple(rng.uniform(0.15, 0.85, 2))
    light = _colour(hue, saturation[0], rng.uniform(0.70, 0.98))
    dark = _colour(other, saturation[1], rng.uniform(0.08, 0.55))
    # A saturated yellow and a dark beige may end up equally bright: push the tones apart.
    for _ in range(12):
        if luminance(light) - luminance(dark) >= 0.28:
            break
        light, dark = 0.85 * light + 0.15, 0.82 * dark
    third = _colour(hue + rng.uniform(-0.15, 0.15), saturation[0], rng.uniform(0.35, 0.8))
    accent = (0.6 * third + 0.4 * 0.5 * (light + dark)).astype(np.float32)
    return Palette(light, dark, accent) if rng.random() < 0.5 else Palette(dark, light, accent)


def colour_name(colour: Colour) -> str:
    """The nearest of 13 everyday colour words (Euclidean distance in sRGB)."""
    distances = ((_TABLE - np.asarray(colour, np.float32)) ** 2).sum(axis=1)
    return _NAMES[int(np.argmin(distances))]


def _colour(hue: float, saturation: float, value: float) -> Colour:
    return np.array(colorsys.hsv_to_rgb(hue % 1.0, saturation, value), np.float32)
