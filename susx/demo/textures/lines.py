"""Textures made of parallel lines, bands, crossings and folds. Each function draws one category on a canvas."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from susx.demo.textures.canvas import Canvas, clip01, mix, planes, row_of, smoothstep, triangle
from susx.demo.textures.palette import luminance

__all__ = [
    "banded", "chequered", "crosshatched", "grid", "grooved", "lined", "pleated", "stratified", "striped",
    "waffled", "wrinkled", "zigzagged",
]  # fmt: skip

Field = Float[np.ndarray, "size size"]
Image = Float[np.ndarray, "size size 3"]


def banded(canvas: Canvas) -> Image:
    """A few broad bands of different tones and widths, side by side, with slightly uneven edges."""
    u, v = canvas.tilted(20) if canvas.chance(0.7) else (canvas.u, canvas.v)
    u, v = canvas.warp(u, v, canvas.uniform(0.0, 0.04), 3)
    position = (v - v.min()) / (v.max() - v.min())
    count = int(canvas.rng.integers(4, 7))
    widths = canvas.rng.uniform(0.6, 1.6, count)
    borders = np.cumsum(widths / widths.sum())[:-1]
    colours = _tones(canvas, count)
    image = np.broadcast_to(row_of(colours[0], canvas.size), (*position.shape, 3)).astype(np.float32)
    for border, colour in zip(borders, colours[1:], strict=True):
        image = mix(image, colour, canvas.soft(np.float32(border) - position, canvas.uniform(1, 3)))
    return clip01(image * planes(0.94 + 0.12 * canvas.noise(12)))


def striped(canvas: Canvas) -> Image:
    """Regular, straight, equally wide stripes of two colours."""
    frequency = canvas.between(4.5, 8)
    phase = canvas.u * frequency
    width = canvas.uniform(0.42, 0.58)
    return canvas.paint(_bar(canvas, phase, width, frequency))


def lined(canvas: Canvas) -> Image:
    """Thin ruled lines with much plain ground between them."""
    frequency = canvas.between(6, 11)
    u, _ = canvas.tilted(10) if canvas.chance(0.5) else (canvas.u, canvas.v)
    line = _bar(canvas, u * frequency, canvas.uniform(0.10, 0.17), frequency)
    paper = 0.97 + 0.06 * canvas.noise(6)
    return canvas.paint(line * canvas.uniform(0.8, 1.0), paper)


def zigzagged(canvas: Canvas) -> Image:
    """Chevron stripes: parallel bands that turn at sharp corners."""
    u, v = canvas.tilted(20) if canvas.chance(0.7) else (canvas.u, canvas.v)
    teeth = canvas.between(2.5, 5)
    slope = canvas.uniform(0.7, 1.3)
    frequency = canvas.between(3.5, 7)
    phase = (v + slope * triangle(u * teeth) / (2 * teeth)) * frequency
    return canvas.paint(_bar(canvas, phase, canvas.uniform(0.38, 0.6), frequency * 1.4))


def grid(canvas: Canvas) -> Image:
    """Thin lines crossing at right angles, with plain square ground between."""
    u, v = canvas.tilted(45)
    frequency = canvas.between(4, 8)
    width = canvas.uniform(0.10, 0.18)
    lines = np.maximum(
        _bar(canvas, u * frequency, width, frequency), _bar(canvas, v * frequency, width, frequency)
    )
    return canvas.paint(lines)


def chequered(canvas: Canvas) -> Image:
    """A chequer-board of two alternating colours."""
    u, v = canvas.tilted(45)
    frequency = canvas.between(2, 4.5)
    a = 2 * _bar(canvas, u * frequency, 0.5, frequency) - 1
    b = 2 * _bar(canvas, v * frequency, 0.5, frequency) - 1
    return canvas.paint(0.5 + 0.5 * a * b)


def crosshatched(canvas: Canvas) -> Image:
    """Pen strokes: two families of fine, uneven, oblique lines that cross, denser where it is darker."""
    angle = np.deg2rad(canvas.uniform(30, 60))
    u, v = canvas.warp(*canvas.tilted(20), canvas.uniform(0.005, 0.02), 4)
    shade = canvas.noise(2)
    light = np.zeros_like(u) + 1.0
    for direction in (angle, -angle):
        frequency = canvas.between(12, 16)
        across = np.float32(np.cos(direction)) * u + np.float32(np.sin(direction)) * v
        along = np.float32(-np.sin(direction)) * u + np.float32(np.cos(direction)) * v
        stroke = np.floor(across * frequency)
        pressure = canvas.noise_at(stroke * 7.0, along * 3.0 + stroke * 0.37)
        ink = _bar(canvas, across * frequency, 0.30 + 0.25 * shade, frequency)
        light = light * (1 - ink * clip01(1.5 * pressure + 0.7 * shade - 0.35))
    dark, paper = sorted((canvas.palette.background, canvas.palette.foreground), key=luminance)
    if canvas.chance(0.15):
        dark, paper = paper, dark
    return clip01(mix(0.8 * dark, paper, light) * planes(0.96 + 0.08 * canvas.noise(8)))


def grooved(canvas: Canvas) -> Image:
    """Parallel rounded ridges with narrow, dark channels cut between them, in one material."""
    frequency = canvas.between(4, 8)
    u, v = canvas.warp(canvas.u, canvas.v, canvas.uniform(0, 0.02), 3)
    across = u * frequency
    groove = smoothstep(0.20, 0.0, 0.5 * (1 - np.abs(2 * (across - np.floor(across)) - 1)))
    light = canvas.light(-groove * 0.06, 0.45)
    wood = canvas.noise_at(u * 30, v * 2.5)
    return clip01(_material(canvas, 0.85 + 0.2 * wood) * planes(light * (1 - 0.75 * groove)))


def pleated(canvas: Canvas) -> Image:
    """Cloth folded into sharp, overlapping pleats: a saw-tooth of soft shading, edge after edge."""
    u, _ = canvas.tilted(25)
    frequency = canvas.between(3, 6)
    fan = canvas.uniform(-0.25, 0.25)
    sway = canvas.uniform(0.0, 0.03) * (2 * canvas.noise(2) - 1)
    phase = (u + sway) * frequency * (1 + fan * (canvas.y - 0.5))
    fall = phase - np.floor(phase)
    fold = 1.15 - 0.75 * fall**1.4 + 0.25 * smoothstep(0.93, 1.0, fall)
    seam = 1 - 0.45 * smoothstep(0.10, 0.0, fall)
    cloth = 0.96 + 0.08 * canvas.grain()
    return clip01(_material(canvas, cloth) * planes(fold * seam))


def stratified(canvas: Canvas) -> Image:
    """Rock layers: many level, wavy, uneven beds in earth colours, with grit inside each bed."""
    u, v = canvas.tilted(12)
    v = v + canvas.uniform(0.02, 0.10) * (2 * canvas.noise(2) - 1) + 0.012 * canvas.noise(10)
    depth = v * canvas.between(9, 16)
    bed = np.floor(depth + 0.8 * np.sin(depth * 0.9) + 0.4 * np.sin(depth * 2.3)).astype(np.int64)
    tone = canvas.rng.random(256, dtype=np.float32)[bed & 255]
    tone = 0.75 * tone + 0.25 * canvas.noise_at(u * 10, v * 45)
    ledge = canvas.light(0.02 * tone, 0.5, angle=-1.57)
    grit = 0.85 + 0.3 * canvas.grain() * canvas.noise(8)
    earth = np.array([[0.35, 0.22, 0.15], [0.85, 0.70, 0.52]]) * canvas.rng.uniform(0.85, 1.15, (2, 3))
    return clip01(mix(earth[0], earth[1], tone) * planes(ledge * grit))


def waffled(canvas: Canvas) -> Image:
    """A baked waffle: deep square hollows with shaded walls between thick raised ridges."""
    u, v = canvas.tilted(45)
    frequency = canvas.between(2.8, 4.8)
    a, b = triangle(u * frequency), triangle(v * frequency)
    wall = np.minimum(a, b)
    hollow = smoothstep(0.30, 0.62, wall)
    light = canvas.light(-0.09 * hollow, 0.65)
    crust = 0.88 + 0.24 * canvas.fbm(6, 3)
    ridge = np.array([0.86, 0.62, 0.32]) * canvas.rng.uniform(0.85, 1.12, 3)
    if canvas.chance(0.3):
        ridge = 0.5 * canvas.palette.foreground + 0.5 * canvas.palette.background
    return clip01(mix(ridge, 0.55 * ridge, hollow) * planes(light * crust))


def wrinkled(canvas: Canvas) -> Image:
    """Crumpled skin or cloth: sharp, branching creases that run in all directions, in one colour."""
    stretch = canvas.uniform(1.0, 1.8)
    u, v = canvas.warp(canvas.u * stretch, canvas.v, 0.16, 3)
    height = np.zeros_like(u)
    for octave in range(3):
        scale = canvas.uniform(3.0, 4.2) * 2**octave
        ridge = 1 - np.abs(2 * canvas.noise_at(u * scale, v * scale) - 1)
        height += ridge**2 / 2**octave
    light = canvas.light(0.05 * height, 0.75)
    return clip01(_material(canvas, np.ones_like(u)) * planes(light))


def _bar(canvas: Canvas, phase: Field, width: float | Field, frequency: float) -> Field:
    """Antialiased bars of relative ``width``, one per unit of ``phase`` (``frequency`` bars an image width)."""
    distance = (np.abs(phase - np.floor(phase) - 0.5) - 0.5 * width) / frequency
    return canvas.soft(distance.astype(np.float32))


def _material(canvas: Canvas, tone: Field) -> Image:
    """One colour of middling brightness, so that shading shows both ways."""
    light = canvas.palette.background if canvas.chance(0.5) else canvas.palette.foreground
    colour = 0.55 * light + 0.45 * canvas.palette.accent
    colour = colour * (canvas.uniform(0.5, 0.8) / max(float(colour.max()), 0.05))
    return clip01(planes(tone) * row_of(colour, canvas.size)).astype(np.float32)


def _tones(canvas: Canvas, count: int) -> list[NDArray[np.float32]]:
    """Neighbouring colours that always differ: the three palette colours in turn, lightened or darkened."""
    base = [canvas.palette.background, canvas.palette.foreground, canvas.palette.accent]
    return [clip01(base[i % 3] * canvas.uniform(0.8, 1.2)) for i in range(count)]
