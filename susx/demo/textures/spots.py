"""Textures made of separate spots: dots, flecks, freckles, sprinkles, studs and bubbles."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from susx.demo.textures.canvas import Canvas, clip01, mix, planes, row_of, smoothstep

__all__ = ["bubbly", "dotted", "flecked", "freckled", "polka_dotted", "sprinkled", "studded"]

Field = Float[np.ndarray, "size size"]
Image = Float[np.ndarray, "size size 3"]


def dotted(canvas: Canvas) -> Image:
    """Many tiny dots, evenly spread on plain ground."""
    frequency = canvas.between(8, 12)
    u, v = canvas.tilted(45)
    cells = canvas.voronoi(u * frequency, v * frequency, canvas.uniform(0.0, 0.35))
    radius = canvas.uniform(0.20, 0.27)
    return canvas.paint(canvas.soft((cells.nearest - radius) / frequency))


def polka_dotted(canvas: Canvas) -> Image:
    """Big round equal dots in staggered rows, as on a dress."""
    frequency = canvas.between(2.6, 4.5)
    u, v = canvas.tilted(45)
    u, v = (u + v) * frequency * 0.7071, (u - v) * frequency * 0.7071
    cells = canvas.voronoi(u, v, 0.0)
    radius = canvas.uniform(0.27, 0.38)
    return canvas.paint(canvas.soft((cells.nearest - radius) / frequency))


def flecked(canvas: Canvas) -> Image:
    """Tweed: small irregular slivers of two more colours strewn over a woolly ground."""
    image = canvas.paint(0.25 * canvas.noise(14), 0.85 + 0.3 * canvas.grain())
    for colour in (canvas.palette.foreground, canvas.palette.accent, 1 - canvas.palette.background):
        frequency = canvas.between(7, 11)
        u, v = canvas.warp(*canvas.tilted(180), 0.05, 8)
        cells = canvas.voronoi(u * frequency, v * frequency * canvas.uniform(0.45, 0.8), 1.0)
        size = 0.13 + 0.12 * cells.value
        image = mix(image, colour, canvas.soft((cells.nearest - size) / frequency) * (cells.other < 0.75))
    return clip01(image)


def freckled(canvas: Canvas) -> Image:
    """Skin with soft brown spots of many sizes, gathered in clusters."""
    skin = np.array([0.93, 0.74, 0.62]) * canvas.rng.uniform(0.75, 1.05) + canvas.rng.uniform(-0.04, 0.04, 3)
    image = mix(skin * 0.92, skin * 1.05, canvas.fbm(3, 3))
    spot = np.array([0.58, 0.34, 0.22]) * canvas.rng.uniform(0.8, 1.1)
    cluster = smoothstep(0.25, 0.6, canvas.noise(3))
    for frequency, share in ((canvas.between(5, 7), 0.7), (canvas.between(9, 13), 0.8)):
        u, v = canvas.warp(canvas.u, canvas.v, 0.012, 10)
        cells = canvas.voronoi(u * frequency, v * frequency, 0.8)
        size = 0.10 + 0.20 * cells.value
        mask = smoothstep(size + 0.10, size - 0.06, cells.nearest) * (cells.other < share)
        image = mix(image, spot, mask * cluster * (0.55 + 0.35 * cells.value))
    return clip01(image)


def sprinkled(canvas: Canvas) -> Image:
    """Sugar strands: short rounded rods in many bright colours, at every angle, on icing."""
    base = canvas.palette.background if canvas.chance(0.4) else np.array([0.97, 0.93, 0.88])
    image = row_of(base, canvas.size) * planes(0.95 + 0.08 * canvas.noise(4))
    bright = np.array(
        [
            [0.93, 0.2, 0.3],
            [0.98, 0.8, 0.15],
            [0.2, 0.65, 0.3],
            [0.2, 0.45, 0.9],
            [0.95, 0.5, 0.75],
            [0.97, 0.5, 0.1],
        ]
    )
    for _ in range(2):
        frequency = canvas.between(4, 6)
        u, v = canvas.u + canvas.uniform(0, 9), canvas.v + canvas.uniform(0, 9)
        cells = canvas.voronoi(u * frequency, v * frequency, 0.8)
        angle = cells.value * np.float32(np.pi)
        along = np.cos(angle) * cells.du + np.sin(angle) * cells.dv
        across = -np.sin(angle) * cells.du + np.cos(angle) * cells.dv
        rod = np.hypot(np.maximum(np.abs(along) - 0.24, 0), across)
        mask = canvas.soft((rod - 0.11) / frequency) * (cells.other < 0.85)
        colour = bright[(cells.other * 997).astype(int) % len(bright)]
        shine = 1.12 - 1.6 * np.abs(across)
        image = image + planes(mask) * (colour * planes(shine) - image)
    return clip01(image).astype(np.float32)


def studded(canvas: Canvas) -> Image:
    """Metal studs in rows on leather: shiny shaded domes with a highlight and a shadow."""
    frequency = canvas.between(3, 5)
    u, v = canvas.tilted(45)
    cells = canvas.voronoi(u * frequency, v * frequency, 0.0)
    radius = canvas.uniform(0.30, 0.38)
    dome = np.sqrt(clip01(1 - (cells.nearest / radius) ** 2))
    metal = np.array([0.80, 0.80, 0.83]) if canvas.chance(0.6) else np.array([0.85, 0.68, 0.32])
    leather = 0.45 * canvas.palette.background + 0.02
    ground = mix(leather * 0.8, leather * 1.2, canvas.fbm(10, 2))
    shadow = canvas.light(dome * radius / frequency, 0.5, angle=-2.4)
    ground = ground * planes(1 - 0.6 * smoothstep(radius + 0.22, radius, cells.nearest))
    image = mix(
        ground, row_of(metal, canvas.size) * planes(shadow), canvas.soft((cells.nearest - radius) / frequency)
    )
    glint = smoothstep(0.5, 0.0, np.hypot(*_towards_light(canvas, u, v, cells.du, cells.dv, radius)))
    return clip01(image + 0.6 * planes(glint) * planes(dome > 0))


def bubbly(canvas: Canvas) -> Image:
    """Soap bubbles or froth: clear rings of many sizes with a bright rim, a dark inside and a glint."""
    tint = canvas.palette.accent * 0.6 + 0.25
    image = mix(tint * 0.55, tint * 0.85, canvas.noise(2))
    for frequency in (canvas.between(6, 8), canvas.between(3.2, 4.2), canvas.between(2.0, 2.6)):
        u, v = canvas.x * frequency + canvas.uniform(0, 40), canvas.y * frequency + canvas.uniform(0, 40)
        cells = canvas.voronoi(u, v, 0.7)
        radius = 0.26 + 0.22 * cells.value
        r = cells.nearest / radius
        keep = (cells.other < 0.75) & (cells.nearest < radius + 0.1)
        inside = canvas.soft((cells.nearest - radius) / frequency) * keep
        image = image * planes(1 - 0.35 * inside * (1 - r))
        rim = np.exp(-(((r - 0.92) / 0.10) ** 2)) * keep
        glint = np.exp(-((cells.du / radius + 0.38) ** 2 + (cells.dv / radius + 0.38) ** 2) / 0.025) * keep
        image = image + planes(0.45 * rim + 0.75 * glint)
    return clip01(image).astype(np.float32)


def _towards_light(
    canvas: Canvas, u: Field, v: Field, du: Field, dv: Field, radius: float
) -> tuple[Field, Field]:
    """Offsets, in radii, from the point of each dome that faces a light at the upper left of the picture."""
    size = canvas.size
    c, s = (u[0, -1] - u[0, 0]) * size / (size - 1), (v[0, -1] - v[0, 0]) * size / (size - 1)
    lu, lv = c * -0.35 - s * -0.35, s * -0.35 + c * -0.35
    return du / radius - lu, dv / radius - lv
