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

__all__ = ["Array", "Canvas", "Cells", "clip01", "mix", "planes", "row_of", "smoothstep", "triangle"]

#: Arrays of any shape, where a function works on all.
Array: TypeAlias = NDArray[Any]

Field = Float[np.ndarray, "size size"]
Image = Float[np.ndarray, "size size 3"]

_AROUND = (-1, 0, 1)
#: The nine cells around a point as (down, across), and each of the two as an array by the number of the cell.
_NEIGHBOURS = tuple((oy, ox) for oy in _AROUND for ox in _AROUND)
_DOWN, _ACROSS = (np.array(offsets) for offsets in zip(*_NEIGHBOURS, strict=True))


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
        lattice = self.rng.random((64, 64), dtype=np.float32).ravel()
        iu, iv = np.floor(u), np.floor(v)
        fu, fv = smoothstep(0, 1, u - iu), smoothstep(0, 1, v - iv)
        iu, iv = iu.astype(np.intp), iv.astype(np.intp)
        # By places in the flat lattice: several times as fast as two lists of indices.
        left, right, above, below = iu & 63, (iu + 1) & 63, (iv & 63) * 64, ((iv + 1) & 63) * 64
        rest = 1 - fu
        top = lattice.take(above + left) * rest + lattice.take(above + right) * fu
        low = lattice.take(below + left) * rest + lattice.take(below + right) * fu
        values: Array = top * (1 - fv) + low * fv
        return values

    def grain(self) -> Field:
        """Independent uniform noise per pixel."""
        return self.rng.random((self.size, self.size), dtype=np.float32)

    # ---------------------------------------------------------------- cells
    def voronoi(self, u: Field, v: Field, jitter: float = 0.9) -> Cells:
        """Voronoi cells of one seed per unit square of ``u, v`` (scale them first), moved by ``jitter`` (0 = grid)."""
        table = self.rng.random((4, 64, 64), dtype=np.float32).reshape(4, -1)
        iu, iv = np.floor(u), np.floor(v)
        fu, fv = (u - iu).astype(np.float32), (v - iv).astype(np.float32)
        iu, iv = iu.astype(np.intp), iv.astype(np.intp)
        columns = [(iu + ox) & 63 for ox in _AROUND]
        jitter_u, jitter_v = 0.5 + np.float32(jitter) * (table[:2] - 0.5)
        first = np.full_like(fu, 9.0)
        second = first.copy()
        winner = np.zeros(fu.shape, np.int8)
        for neighbour, (oy, ox) in enumerate(_NEIGHBOURS):
            if ox == -1:
                row, down = ((iv + oy) & 63) * 64, fv - oy
            cell = row + columns[ox + 1]
            eu, ev = fu - ox - jitter_u.take(cell), down - jitter_v.take(cell)
            square = eu * eu + ev * ev
            # The last one that is closer than all before it. Numbers, as copies under a mask take ten times as long.
            np.maximum(winner, (square < first).view(np.int8) * np.int8(neighbour), out=winner)
            # The second is the larger of the two where this one is nearer, else the smaller of it and the second so far.
            np.minimum(second, np.maximum(square, first), out=second)
            np.minimum(first, square, out=first)
        across, below = _ACROSS.take(winner), _DOWN.take(winner)
        cell = ((iv + below) & 63) * 64 + ((iu + across) & 63)
        du, dv = (
            fu - across.astype(np.float32) - jitter_u.take(cell),
            fv - below.astype(np.float32) - jitter_v.take(cell),
        )
        nearest = np.sqrt(first)
        return Cells(nearest, np.sqrt(second) - nearest, table[2].take(cell), table[3].take(cell), du, dv)

    # ---------------------------------------------------------------- light and colour
    def light(self, height: Field, strength: float = 1.0, angle: float | None = None) -> Field:
        """Lambert shading of a height field (in image widths), 1.0 on flat ground, clipped to [0.3, 1.7].

        The light comes from the upper left unless ``angle`` (radians) is given.
        """
        angle = self.uniform(-2.8, -1.9) if angle is None else angle
        slope_y, slope_x = _slopes(height.astype(np.float32), 1.0 / self.size)
        facing = -(slope_x * np.float32(np.cos(angle)) + slope_y * np.float32(np.sin(angle)))
        shade: Array = np.asarray(np.clip(1.0 - strength * -facing, 0.3, 1.7), np.float32)
        return shade

    def paint(self, amount: Field, light: Field | float = 1.0) -> Image:
        """Background where ``amount`` is 0, foreground where it is 1, multiplied by ``light``."""
        return clip01(mix(self.palette.background, self.palette.foreground, amount) * _lighting(light))

    def ramp(self, amount: Field, light: Field | float = 1.0) -> Image:
        """Background -> accent -> foreground as ``amount`` goes 0 -> 0.5 -> 1, multiplied by ``light``."""
        low = mix(self.palette.background, self.palette.accent, clip01(2 * amount))
        step = row_of(self.palette.foreground - self.palette.accent, self.size)
        return clip01((low + planes(clip01(2 * amount - 1)) * step) * _lighting(light))


def mix(low: Array, high: Array, amount: Array) -> Image:
    """Blend two colours ``(3,)`` or two images by a field in [0, 1]."""
    low, high = row_of(low, amount.shape[1]), row_of(high, amount.shape[1])
    blend: Array = low + planes(amount) * (high - low)
    return blend.astype(np.float32, copy=False)


def planes(field: Array) -> Array:
    """Return a field as an image of three equal channels, ``(height, width, 3)``.

    As a copy: numpy walks over a field that is only broadcast along channels three numbers at a time.
    """
    image = np.empty((*field.shape, 3), field.dtype)
    for channel in range(3):
        image[..., channel] = field
    return image


def row_of(colour: Array, width: int) -> Array:
    """Return a colour ``(3,)`` as a row of pixels ``(width, 3)``, for the reason that :func:`planes` copies; an image as it is."""
    return np.broadcast_to(colour, (width, 3)).copy() if colour.ndim == 1 else colour


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


def _lighting(light: Field | float) -> Array | float:
    return planes(light) if isinstance(light, np.ndarray) else light


def _slopes(height: Field, spacing: float) -> tuple[Field, Field]:
    """Central differences down and across, one-sided at the edges: ``numpy.gradient``, without its checks."""
    down, across = np.empty_like(height), np.empty_like(height)
    for slope, field in ((down, height), (across.T, height.T)):
        slope[1:-1] = (field[2:] - field[:-2]) / (2.0 * spacing)
        slope[0] = (field[1] - field[0]) / spacing
        slope[-1] = (field[-1] - field[-2]) / spacing
    return down, across


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
