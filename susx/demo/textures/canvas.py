"""Shared primitives of the procedural textures: coordinates, noise, cells, shading and colour.

Every category is a function ``(canvas: Canvas) -> (size, size, 3)`` of sRGB values in [0, 1]; all its randomness
comes from ``canvas.rng``. Lengths are in units of the image width, so that a picture looks the same at any size.
Fields are ``(size, size)`` float32 arrays; "soft" masks are 0..1 with edges about one pixel wide.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from susx.demo.textures.palette import Palette, random_palette

__all__ = ["Array", "Canvas", "Cells", "clip01", "mix", "smoothstep", "triangle"]

#: Arrays of any shape, where a function works on all.
Array: TypeAlias = NDArray[Any]

Field = Float[np.ndarray, "size size"]
Image = Float[np.ndarray, "size size 3"]


@dataclass(frozen=True)
class Cells:
    """Jittered-grid Voronoi cells: distances (in cell widths) and per-cell random numbers."""

    nearest: Field  #: distance to the nearest seed point (F1)
    border: Field  #: F2 - F1, zero on the border between two cells
    value: Field  #: one uniform random number per cell
    other: Field  #: a second, independent one
    du: Field  #: horizontal offset from the nearest seed point
    dv: Field  #: vertical offset from the nearest seed point


@dataclass(frozen=True)
class Canvas:
    """A blank square to draw one texture on.

    ``x, y`` are plain coordinates in [0, 1]; ``u, v`` are the same rotated by any angle about a random point.
    """

    rng: np.random.Generator
    size: int
    palette: Palette
    x: Field
    y: Field
    u: Field
    v: Field

    @classmethod
    def blank(cls, rng: np.random.Generator, size: int = 64, palette: Palette | None = None) -> Canvas:
        """A canvas with a random palette (unless given) and a random rotation and offset for ``u, v``."""
        palette = random_palette(rng) if palette is None else palette
        x, y = _grid(size)
        angle = rng.uniform(0.0, 2.0 * np.pi)
        u, v = _rotate(x, y, angle, rng.uniform(-8.0, 8.0), rng.uniform(-8.0, 8.0))
        return cls(rng, size, palette, x, y, u, v)

    # ---------------------------------------------------------------- random numbers
    def uniform(self, low: float, high: float | np.floating[Any]) -> float:
        """One uniform number."""
        return float(self.rng.uniform(low, high))

    def between(self, low: float, high: float) -> float:
        """One log-uniform number: the right choice for frequencies and sizes."""
        return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return bool(self.rng.random() < probability)

    # ---------------------------------------------------------------- coordinates
    def tilted(self, degrees: float = 15.0) -> tuple[Field, Field]:
        """Coordinates rotated by at most ``degrees`` from upright, with a random offset."""
        angle = np.deg2rad(self.rng.uniform(-degrees, degrees))
        return _rotate(self.x, self.y, angle, self.uniform(-8.0, 8.0), self.uniform(-8.0, 8.0))

    def centred(self, wander: float = 0.15) -> tuple[Field, Field]:
        """Coordinates with the origin near the middle of the image, unrotated."""
        cx, cy = 0.5 + self.rng.uniform(-wander, wander, 2)
        return self.x - np.float32(cx), self.y - np.float32(cy)

    def warp(self, u: Field, v: Field, amount: float, cells: int = 3) -> tuple[Field, Field]:
        """Push coordinates about by smooth noise; ``amount`` is the largest push in image widths."""
        return u + amount * (2 * self.noise(cells) - 1), v + amount * (2 * self.noise(cells) - 1)

    # ---------------------------------------------------------------- masks
    def soft(self, distance: Field, pixels: float = 1.0) -> Field:
        """1 where the signed distance (image widths) is negative, 0 outside, with an antialiased edge."""
        return clip01(0.5 - distance * np.float32(self.size / pixels))

    # ---------------------------------------------------------------- noise
    def noise(self, cells: int, cells_y: int | None = None) -> Field:
        """Smooth (cubic) value noise in [0, 1], about ``cells`` bumps across and ``cells_y`` down."""
        down = cells if cells_y is None else cells_y
        lattice = self.rng.random((down + 3, cells + 3), dtype=np.float32)
        bumps: Array = _spline(self.size, down) @ lattice @ _spline(self.size, cells).T
        return clip01(bumps)

    def fbm(self, cells: int = 3, octaves: int = 4, gain: float = 0.5) -> Field:
        """Fractal noise, rescaled to fill [0, 1]: octaves of :meth:`noise` at doubling frequency."""
        total = np.zeros((self.size, self.size), np.float32)
        for octave in range(octaves):
            total += np.float32(gain**octave) * self.noise(min(cells * 2**octave, self.size))
        return _stretch(total)

    def noise_at(self, u: Field, v: Field) -> Field:
        """Value noise in [0, 1] at arbitrary coordinates (one bump per unit): scale ``u, v`` to stretch it."""
        lattice = self.rng.random((64, 64), dtype=np.float32)
        iu, iv = np.floor(u).astype(np.int32), np.floor(v).astype(np.int32)
        fu, fv = smoothstep(0, 1, u - iu), smoothstep(0, 1, v - iv)
        iu, iv, ju, jv = iu & 63, iv & 63, (iu + 1) & 63, (iv + 1) & 63
        top = lattice[iv, iu] * (1 - fu) + lattice[iv, ju] * fu
        low = lattice[jv, iu] * (1 - fu) + lattice[jv, ju] * fu
        values: Array = top * (1 - fv) + low * fv
        return values

    def grain(self) -> Field:
        """Independent uniform noise per pixel."""
        return self.rng.random((self.size, self.size), dtype=np.float32)

    # ---------------------------------------------------------------- cells
    def voronoi(self, u: Field, v: Field, jitter: float = 0.9) -> Cells:
        """Voronoi cells of one seed per unit square of ``u, v`` (scale them first), moved by ``jitter`` (0 = grid)."""
        table = self.rng.random((4, 64, 64), dtype=np.float32)
        iu, iv = np.floor(u).astype(np.int32), np.floor(v).astype(np.int32)
        fu, fv = (u - iu).astype(np.float32), (v - iv).astype(np.float32)
        first = np.full_like(fu, 9.0)
        second, du, dv = first.copy(), np.zeros_like(fu), np.zeros_like(fu)
        index = np.zeros(fu.shape, np.int32)
        jitters = 0.5 + np.float32(jitter) * (table[:2].reshape(2, -1) - 0.5)
        for oy in (-1, 0, 1):
            for ox in (-1, 0, 1):
                cell = ((iv + oy) & 63) * 64 + ((iu + ox) & 63)
                eu, ev = fu - ox - jitters[0].take(cell), fv - oy - jitters[1].take(cell)
                square = eu * eu + ev * ev
                closer = square < first
                # The second is the larger of the two where this one is nearer, else the smaller of it and the second so far.
                np.minimum(second, np.maximum(square, first), out=second)
                np.copyto(first, square, where=closer)
                np.copyto(du, eu, where=closer)
                np.copyto(dv, ev, where=closer)
                np.copyto(index, cell, where=closer)
        nearest = np.sqrt(first)
        values = table[2:].reshape(2, -1).take(index, axis=1)
        return Cells(nearest, np.sqrt(second) - nearest, values[0], values[1], du, dv)

    # ---------------------------------------------------------------- light and colour
    def light(self, height: Field, strength: float = 1.0, angle: float | None = None) -> Field:
        """Lambert shading of a height field (in image widths), 1.0 on flat ground, clipped to [0.3, 1.7].

        The light comes from the upper left unless ``angle`` (radians) is given.
        """
        angle = self.uniform(-2.8, -1.9) if angle is None else angle
        slope_y, slope_x = np.gradient(height.astype(np.float32), 1.0 / self.size)
        facing = -(slope_x * np.float32(np.cos(angle)) + slope_y * np.float32(np.sin(angle)))
        shade: Array = np.asarray(np.clip(1.0 - strength * -facing, 0.3, 1.7), np.float32)
        return shade

    def paint(self, amount: Field, light: Field | float = 1.0) -> Image:
        """Background where ``amount`` is 0, foreground where it is 1, multiplied by ``light``."""
        return clip01(mix(self.palette.background, self.palette.foreground, amount) * _plane(light))

    def ramp(self, amount: Field, light: Field | float = 1.0) -> Image:
        """Background -> accent -> foreground as ``amount`` goes 0 -> 0.5 -> 1, multiplied by ``light``."""
        low = mix(self.palette.background, self.palette.accent, clip01(2 * amount))
        colour = low + clip01(2 * amount - 1)[..., None] * (self.palette.foreground - self.palette.accent)
        return clip01(colour * _plane(light))


def mix(low: Array, high: Array, amount: Array) -> Image:
    """Blend two colours ``(3,)`` or two images by a field in [0, 1]."""
    blend: Array = (low + amount[..., None] * (high - low)).astype(np.float32)
    return blend


def clip01(values: Array) -> Array:
    """Clip to [0, 1]."""
    return np.clip(values, 0.0, 1.0)


def smoothstep(
    low: float | np.floating[Any] | Array, high: float | np.floating[Any] | Array, values: Array
) -> Array:
    """0 below ``low``, 1 above ``high``, the cubic 3t^2 - 2t^3 between (``low > high`` falls instead)."""
    t = clip01((values - low) / (high - low)).astype(np.float32)
    smooth: Array = t * t * (3 - 2 * t)
    return smooth


def triangle(values: Array) -> Array:
    """Triangle wave of period 1: 0 at integers, 1 half-way between."""
    wave: Array = (1 - np.abs(2 * (values - np.floor(values)) - 1)).astype(np.float32)
    return wave


def _plane(light: Field | float) -> Array | float:
    return light[..., None] if isinstance(light, np.ndarray) else light


def _stretch(values: Field) -> Field:
    low, high = values.min(), values.max()
    stretched: Array = (values - low) / max(high - low, np.float32(1e-6))
    return stretched


def _rotate(x: Field, y: Field, angle: float, du: float, dv: float) -> tuple[Field, Field]:
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    cx, cy = x - np.float32(0.5), y - np.float32(0.5)
    return c * cx + s * cy + np.float32(du), -s * cx + c * cy + np.float32(dv)


@lru_cache(maxsize=8)
def _grid(size: int) -> tuple[Field, Field]:
    line = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = np.meshgrid(line, line)
    x.flags.writeable = y.flags.writeable = False
    return x, y


@lru_cache(maxsize=256)
def _spline(size: int, cells: int) -> Float[Array, "size knots"]:
    """Uniform Catmull-Rom weights that carry ``cells + 3`` lattice values to ``size`` pixels."""
    position = (np.arange(size) + 0.5) / size * cells
    base = np.minimum(position.astype(int), cells - 1)
    t = position - base
    weights = np.zeros((size, cells + 3), np.float32)
    rows = np.arange(size)
    basis = (
        0.5 * (-t + 2 * t**2 - t**3),
        0.5 * (2 - 5 * t**2 + 3 * t**3),
        0.5 * (t + 4 * t**2 - 3 * t**3),
        0.5 * (-(t**2) + t**3),
    )
    for offset, weight in enumerate(basis):
        weights[rows, base + offset] += weight
    weights.flags.writeable = False
    return weights
