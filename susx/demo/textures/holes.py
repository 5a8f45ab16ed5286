"""Textures made of bumps, pits, pores and holes in a surface."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from susx.demo.textures.canvas import Array, Canvas, clip01, mix, planes, row_of, smoothstep

__all__ = ["bumpy", "honeycombed", "perforated", "pitted", "porous", "potholed"]

Image = Float[np.ndarray, "size size 3"]


def bumpy(canvas: Canvas) -> Image:
    """Rounded bumps rising from a surface of one colour, seen only by their light and shade."""
    frequency = canvas.between(4, 7)
    u, v = canvas.warp(canvas.u, canvas.v, 0.04, 4)
    cells = canvas.voronoi(u * frequency, v * frequency, 0.75)
    height = smoothstep(0.6, 0.0, cells.nearest) * (0.6 + 0.6 * cells.value) / frequency
    light = canvas.light(height, 0.55) - 0.15 * smoothstep(0.15, 0.0, cells.border)
    return clip01(_surface(canvas, 0.5, 0.8) * planes(light))


def pitted(canvas: Canvas) -> Image:
    """Weathered metal or stone: small scattered shallow pits with a lit edge, on a rough surface."""
    frequency = canvas.between(5, 8)
    u, v = canvas.warp(canvas.u, canvas.v, 0.06, 9)
    cells = canvas.voronoi(u * frequency, v * frequency, 1.0)
    size = (0.14 + 0.26 * cells.value) * (cells.other < 0.7)
    pit = smoothstep(size, size * 0.45 - 0.01, cells.nearest) * (size > 0)
    rough = canvas.fbm(8, 3)
    light = canvas.light(-0.45 * pit / frequency + 0.012 * rough, 0.8)
    return clip01(_surface(canvas, 0.5, 0.72) * planes(light * (1 - 0.35 * pit) * (0.9 + 0.2 * rough)))


def perforated(canvas: Canvas) -> Image:
    """Sheet metal punched with a regular array of equal, round, dark holes."""
    frequency = canvas.between(4.5, 7.5)
    u, v = canvas.tilted(45)
    third = np.float32(1 / np.sqrt(3))
    if canvas.chance(0.6):
        # A triangular lattice is a square one sheared; distances are taken after shearing the offsets back.
        cells = canvas.voronoi((u - third * v) * frequency, 2 * third * v * frequency, 0.0)
        distance = np.hypot(cells.du + 0.5 * cells.dv, cells.dv * (1.5 * third))
    else:
        distance = canvas.voronoi(u * frequency, v * frequency, 0.0).nearest
    radius = canvas.uniform(0.24, 0.32)
    hole = canvas.soft((distance - radius) / frequency)
    sheet = _surface(canvas, 0.6, 0.9) * planes(0.85 + 0.3 * canvas.noise(2))
    rim = canvas.light(-0.10 * smoothstep(radius + 0.12, radius, distance) / frequency, 0.8)
    return clip01(mix(sheet * planes(rim), np.array([0.05, 0.05, 0.06]), hole))


def porous(canvas: Canvas) -> Image:
    """Sponge or pumice: crowded irregular holes of very different sizes, dark inside."""
    solid = np.ones((canvas.size, canvas.size), np.float32)
    for frequency, share in (
        (canvas.between(3.5, 4.5), 0.55),
        (canvas.between(7, 9), 0.75),
        (canvas.between(12, 15), 0.7),
    ):
        u, v = canvas.warp(canvas.u, canvas.v, 0.025, 8)
        cells = canvas.voronoi(u * frequency, v * frequency, 0.85)
        size = np.minimum(0.20 + 0.26 * cells.value, cells.nearest + cells.border - 0.12)
        hole = smoothstep(size + 0.05, size - 0.10, cells.nearest) * (cells.other < share)
        solid = np.minimum(solid, 1 - hole)
    light = canvas.light(0.05 * solid, 0.35)
    sponge = np.array([0.90, 0.76, 0.48]) if canvas.chance(0.5) else _surface(canvas, 0.6, 0.85)[0, 0]
    return clip01(mix(0.30 * sponge, sponge, solid) * planes(light * (0.9 + 0.2 * canvas.grain())))


def potholed(canvas: Canvas) -> Image:
    """An asphalt road with one to three big ragged holes, a broken rim and dirt or water inside."""
    grey = canvas.uniform(0.40, 0.62)
    road = grey * (0.75 + 0.5 * canvas.grain()) * (0.9 + 0.2 * canvas.noise(3))
    reach: Array = np.full((canvas.size, canvas.size), 9.0, np.float32)
    for _ in range(int(canvas.rng.integers(1, 4))):
        cx, cy = canvas.rng.uniform(0.2, 0.8, 2)
        rx, ry = canvas.rng.uniform(0.13, 0.30, 2)
        reach = np.minimum(reach, np.hypot((canvas.x - cx) / rx, (canvas.y - cy) / ry))
    reach = reach + 0.55 * (canvas.fbm(5, 3) - 0.5)
    hole = smoothstep(1.05, 0.92, reach)
    rim = canvas.light(-0.06 * smoothstep(1.1, 0.7, reach), 0.9)
    dirt = np.array([0.30, 0.24, 0.18]) if canvas.chance(0.7) else np.array([0.35, 0.42, 0.48])
    inside = row_of(dirt, canvas.size) * planes(0.5 + 0.7 * canvas.fbm(6, 3))
    tint = np.array([1.0, 0.99, 0.97]) * canvas.rng.uniform(0.97, 1.03, 3)
    return clip01(mix(planes(road) * row_of(tint, canvas.size), inside, hole) * planes(rim))


def honeycombed(canvas: Canvas) -> Image:
    """Hexagonal wax cells with thin bright walls and deep shaded insides."""
    frequency = canvas.between(4, 6.5)
    u, v = canvas.warp(canvas.u, canvas.v, canvas.uniform(0, 0.02), 3)
    wall, depth = _hexagons(u * frequency, v * frequency)
    edge = smoothstep(0.16, 0.05, wall)
    wax = np.array([0.93, 0.70, 0.22]) * canvas.rng.uniform(0.85, 1.1, 3)
    if canvas.chance(0.35):
        wax = 0.3 + 0.7 * canvas.palette.accent
    light = canvas.light(0.05 * edge, 0.45)
    inside = 0.35 + 0.35 * planes(canvas.noise(3)) + 0.25 * planes(depth)
    return clip01(mix(row_of(wax, canvas.size) * inside, np.minimum(wax * 1.15, 1.0), edge) * planes(light))


def _hexagons(u: Array, v: Array) -> tuple[Array, Array]:
    """Distance to the wall and height (0..1, up) inside each unit-wide hexagon of a regular tiling."""
    root = np.float32(np.sqrt(3))

    def local(du: float, dv: float) -> tuple[Array, Array]:
        a, b = u - du, (v - dv) / root
        return a - np.round(a), (b - np.round(b)) * root

    (au, av), (bu, bv) = local(0, 0), local(0.5, float(root) / 2)
    closer = au**2 + av**2 < bu**2 + bv**2
    hu, hv = np.where(closer, au, bu), np.where(closer, av, bv)
    across = np.maximum(np.abs(hu), 0.5 * np.abs(hu) + 0.5 * root * np.abs(hv))
    return (0.5 - across).astype(np.float32), (0.5 - hv).astype(np.float32)


def _surface(canvas: Canvas, low: float, high: float) -> Image:
    """One flat colour whose brightest channel lies between ``low`` and ``high``."""
    colour = 0.6 * canvas.palette.accent + 0.4 * canvas.palette.background
    colour = colour * (canvas.uniform(low, high) / max(float(colour.max()), 0.05))
    row = row_of(colour.astype(np.float32), canvas.size)
    return np.broadcast_to(row, (canvas.size, *row.shape))
