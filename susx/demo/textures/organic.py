"""Textures of growth, spill and flow: blots, stains, smears, marble, veins, cracks, crystals, scales, curls, paisley.

Each category is ``name(canvas) -> (size, size, 3)`` in [0, 1]; see :mod:`susx.demo.textures.canvas`.
"""

from __future__ import annotations

import numpy as np

from susx.demo.textures.canvas import Canvas, Field, Image, clip01, mix, planes, row_of, smoothstep, triangle
from susx.demo.textures.flow import fine_grain, streaks

__all__ = [
    "blotchy", "cracked", "crystalline", "marbled", "paisley", "scaly", "smeared", "spiralled", "stained", "swirly",
    "veined",
]  # fmt: skip

TAU = np.float32(2 * np.pi)

#: Coffee, wine, oil, ink and tea.
_INKS = np.array([(42, 24, 8), (50, 10, 14), (36, 32, 10), (20, 22, 40), (30, 20, 15)], np.float32) / 100


def blotchy(canvas: Canvas) -> Image:
    """Uneven soft-edged patches of two tones, large and small, as on blotchy skin."""
    cells = int(canvas.rng.integers(4, 8))
    broad = canvas.noise(cells) + 0.35 * canvas.noise(3 * cells)
    level = canvas.uniform(0.66, 0.74)
    patch = smoothstep(level - 0.14, level + 0.14, broad)
    second = canvas.noise(cells + 3) + 0.3 * canvas.noise(4 * cells)
    faint = smoothstep(0.70, 0.86, second)
    ground = mix(canvas.palette.background, canvas.palette.accent, 0.25 * canvas.noise(3))
    image = mix(ground, 0.6 * canvas.palette.accent + 0.4 * canvas.palette.foreground, 0.75 * faint)
    return clip01(mix(image, canvas.palette.foreground, patch * (0.75 + 0.25 * canvas.noise(12))))


def stained(canvas: Canvas) -> Image:
    """Pale cloth or paper with a few spilled rings and drops: dark tide lines round a weaker middle."""
    paper = 0.22 * canvas.palette.background + 0.78 * np.array([0.97, 0.94, 0.88], np.float32)
    ink = _INKS[int(canvas.rng.integers(len(_INKS)))]
    cover = 0.16 * canvas.fbm(3, 3)
    wobble_x, wobble_y = canvas.warp(canvas.x, canvas.y, 0.10, 4)
    for _ in range(int(canvas.rng.integers(2, 5))):
        cx, cy = canvas.rng.uniform(0.05, 0.95, 2)
        radius = canvas.between(0.12, 0.36)
        r = np.hypot(wobble_x - np.float32(cx), wobble_y - np.float32(cy)) / np.float32(radius)
        rim = smoothstep(1.0, 0.96, r) * smoothstep(0.72, 0.97, r)
        inside = smoothstep(1.0, 0.93, r)
        cover = cover + inside * canvas.uniform(0.15, 0.35) + rim * canvas.uniform(0.3, 0.55)
    for _ in range(int(canvas.rng.integers(3, 9))):
        cx, cy = canvas.rng.random(2)
        drop = np.hypot(canvas.x - np.float32(cx), canvas.y - np.float32(cy))
        cover = cover + 0.6 * canvas.soft(drop - np.float32(canvas.between(0.012, 0.035)), 1.6)
    cover = clip01(cover) * (0.85 + 0.15 * canvas.noise(10))
    weave = 0.97 + 0.05 * canvas.grain()
    return clip01(mix(paper, ink, clip01(cover)) * planes(weave))


def smeared(canvas: Canvas) -> Image:
    """Wet paint dragged across the picture: blobs of colour drawn out along a few bending strokes."""
    angle = canvas.uniform(0, TAU) + canvas.uniform(0.4, 1.0) * (2 * canvas.noise(2) - 1)
    cells = int(canvas.rng.integers(6, 9))
    blobs = smoothstep(0.35, 0.62, canvas.noise(cells) + 0.15 * (canvas.noise(24) - 0.5))
    accents = smoothstep(0.58, 0.70, canvas.noise(cells))
    drag = smoothstep(0.2, 0.9, streaks(canvas, blobs, angle, steps=8, stride=3.2))
    other = streaks(canvas, accents, angle, steps=6, stride=2.6)
    bristles = streaks(canvas, fine_grain(canvas), angle, steps=7, stride=1.2)
    image = mix(canvas.palette.background, canvas.palette.foreground, drag)
    vivid = canvas.palette.accent[::-1].copy()
    image = mix(image, vivid, 0.9 * other)
    return clip01(image * (0.78 + 0.40 * planes(bristles)))


def marbled(canvas: Canvas) -> Image:
    """Marbled paper: thin and thick bands of three colours folded over each other by repeated warping."""
    u, v = canvas.warp(canvas.u, canvas.v, canvas.uniform(0.24, 0.36), 3)
    u, v = canvas.warp(u, v, canvas.uniform(0.08, 0.12), 6)
    bands = u * np.float32(canvas.between(2.5, 4.0)) + 0.3 * canvas.noise(8)
    wave = triangle(bands)
    thin = smoothstep(0.34, 0.08, np.abs(triangle(bands * 2 + 0.3) - 0.5))
    image = mix(canvas.palette.background, canvas.palette.accent, smoothstep(0.30, 0.55, wave))
    image = mix(image, canvas.palette.foreground, smoothstep(0.66, 0.80, wave))
    return clip01(mix(image, 0.5 * canvas.palette.foreground + 0.5, 0.55 * thin))


def veined(canvas: Canvas) -> Image:
    """A leaf: a midrib, side veins that branch off and bend forwards, and a fine net between them."""
    u, v = canvas.warp(canvas.x - np.float32(0.5), canvas.y - np.float32(0.5), 0.03)
    turn = canvas.uniform(0, TAU)
    c, s = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    u, v = c * u + s * v + np.float32(canvas.uniform(-0.12, 0.12)), -s * u + c * v
    side = np.abs(u)
    px = np.float32(1.0 / canvas.size)
    midrib = smoothstep(2.4 * px, 0.6 * px, side - 0.006 * (0.5 + v))
    count = np.float32(canvas.between(4.0, 6.5))
    slant = canvas.uniform(0.7, 1.1)
    lane = (v + slant * side**0.85 + 0.04 * np.sign(u)) * count + canvas.uniform(0, 1)
    gap = np.abs(lane - np.floor(lane) - 0.5) / count * np.float32(0.8)
    ribs = smoothstep(1.9 * px, 0.3 * px, gap + 0.010 * side)
    net = canvas.voronoi(u * 17, (v + np.float32(slant) * side) * np.float32(17))
    mesh = 0.42 * smoothstep(0.16, 0.03, net.border)
    veins = np.maximum(np.maximum(midrib, 0.9 * ribs), mesh)
    hue = np.array([0.28, 0.55, 0.16], np.float32) if canvas.chance(0.5) else canvas.palette.foreground
    blade = 0.25 + 0.75 * hue * canvas.uniform(0.7, 1.0)
    blade = blade * np.float32(0.72)
    puff = 0.78 - 0.2 * smoothstep(0.2, 0, side)
    puff = puff + 0.45 * smoothstep(0.0, 0.09, gap) * smoothstep(0.0, 0.10, side)
    line = clip01(0.35 * hue + 0.65) if canvas.chance(0.7) else 0.3 * hue
    image = row_of(blade, canvas.size) * planes(puff * (0.92 + 0.16 * net.value))
    return clip01(mix(image, line.astype(np.float32), veins * np.float32(0.9)))


def cracked(canvas: Canvas) -> Image:
    """Dried mud: plates with lit edges, parted by dark cracks of two generations."""
    count = canvas.between(2.6, 4.6)
    u, v = canvas.warp(*canvas.warp(canvas.u, canvas.v, 0.09, 5), amount=0.03, cells=16)
    plates = canvas.voronoi(u * np.float32(count), v * np.float32(count))
    small = canvas.voronoi(u * np.float32(2.3 * count), v * np.float32(2.3 * count))
    width = canvas.uniform(0.05, 0.10)
    deep = smoothstep(width + 0.05, width - 0.02, plates.border)
    hair = 0.8 * smoothstep(0.13, 0.03, small.border) * (plates.other > 0.35)
    crack = np.maximum(deep, hair)
    earth = np.array([0.72, 0.60, 0.45], np.float32)
    body = (
        0.55 * canvas.palette.background + 0.45 * earth
        if canvas.chance(0.6)
        else canvas.palette.background + 0.12
    )
    relief = canvas.light(0.05 * smoothstep(0.0, 0.3, plates.border), 0.6)
    tone = (0.72 + 0.22 * plates.value + 0.22 * canvas.fbm(8, 3)) * relief
    return clip01(mix(row_of(clip01(body), canvas.size) * planes(tone), 0.10 * body, crack))


def crystalline(canvas: Canvas) -> Image:
    """Crystals: long sharp facets, each a flat plane with its own shine, with bright edges."""
    turn = canvas.uniform(0, TAU)
    fan = 0.5 * np.floor(3 * canvas.noise(2))  # a few clusters, each grown in its own direction
    c, s = np.cos(turn + fan), np.sin(turn + fan)
    count = np.float32(canvas.between(3.5, 6.0))
    a, b = canvas.x - np.float32(0.5), canvas.y - np.float32(0.5)
    long, wide = (c * a + s * b) * count * np.float32(canvas.uniform(0.35, 0.6)), (-s * a + c * b) * count
    shards = canvas.voronoi(long + 20, wide + 20)
    facets = canvas.voronoi(long * 1.7 + 9, wide * 1.7 + 9)
    tilt = shards.du * np.cos(TAU * shards.value) + shards.dv * np.sin(TAU * shards.value)
    face = 0.5 + 0.55 * (shards.value - 0.5) + 0.45 * tilt + 0.5 * (facets.value - 0.5)
    face = face + 0.5 * (facets.value > 0.88)
    edge = smoothstep(0.10, 0.02, shards.border)
    ice = 0.5 * canvas.palette.accent + 0.5 * np.array([0.72, 0.82, 0.92], np.float32)
    low = 0.30 * canvas.palette.foreground * canvas.palette.background + 0.05
    image = mix(low, ice, clip01(1.3 * face)) + planes(0.55 * clip01(face - 0.72))
    return clip01(image + planes(0.35 * edge))


def scaly(canvas: Canvas) -> Image:
    """Overlapping scales in staggered rows, as of a fish or a snake: each rounded below and shaded above."""
    rows = canvas.between(4.5, 9.0)
    u, v = canvas.warp(*canvas.tilted(180.0 if canvas.chance(0.4) else 15.0), amount=0.03)
    u, v = u * np.float32(rows * 0.62), v * np.float32(rows)
    reach = canvas.uniform(1.7, 1.95)
    point = canvas.uniform(0.0, 0.35)
    tone, light = np.zeros_like(u), np.zeros_like(u)
    random = canvas.rng.random((64, 64)).astype(np.float32)
    for lag in (0, 1, 2):  # rows further up lie on top
        row = np.floor(v) - lag
        shift = u + 0.5 * (row % 2)
        t = v - row
        p = shift - np.floor(shift) - 0.5
        rim = reach * (np.sqrt(clip01(1 - (p / 0.54) ** 2)) * (1 - point) + point * (1 - 2 * np.abs(p)))
        inside = canvas.soft((t - rim) / np.float32(rows))
        shadow = smoothstep(-0.05, 0.5, t - rim)
        edge = smoothstep(0.45, 0.0, rim - t)
        value = random[row.astype(int) & 63, np.floor(shift).astype(int) & 63]
        shade = 0.55 + 0.45 * smoothstep(0.0, 0.9, t / reach) * (1 - 1.2 * np.abs(p + 0.1)) + 0.18 * value
        shade = shade - 0.42 * smoothstep(0.22, 0.0, rim - t)
        light = light * (1 - inside) * (0.35 + 0.65 * shadow) + inside * shade
        tone = tone * (1 - inside) + inside * (0.9 - 0.6 * edge + 0.2 * value)
    lift = 0.25 + 0.75 * canvas.palette.foreground
    return clip01(mix(canvas.palette.accent, lift, clip01(tone)) * planes(1.25 * np.maximum(light, 0.1)))


def spiralled(canvas: Canvas) -> Image:
    """One spiral that winds out from near the middle, evenly (Archimedean) or widening (logarithmic)."""
    dx, dy = canvas.centred(0.15)
    r, angle = np.hypot(dx, dy) + np.float32(1e-4), np.arctan2(dy, dx) / TAU
    arms = int(canvas.rng.integers(1, 4))
    hand = 1.0 if canvas.chance(0.5) else -1.0
    if canvas.chance(0.6):
        wound = r * np.float32(canvas.between(4.5, 8.0)) * (1 if arms < 3 else 0.9)
    else:
        wound = np.log(r + 0.03) * np.float32(canvas.uniform(1.4, 2.2))
    phase = wound + hand * arms * angle + canvas.uniform(0, 1)
    wave = 0.5 + 0.5 * np.cos(TAU * phase)
    edge = canvas.uniform(0.10, 0.45)
    band = smoothstep(0.5 - edge, 0.5 + edge, wave)
    light = 0.8 + 0.35 * wave if canvas.chance(0.5) else 1.0 + 0.0 * wave
    return canvas.paint(band, light) if canvas.chance(0.6) else canvas.ramp(band, light)


def swirly(canvas: Canvas) -> Image:
    """Curling lines: stripes wound up by several whirlpools of either hand."""
    u, v = canvas.x.copy(), canvas.y.copy()
    side = int(canvas.rng.integers(2, 4))
    for row in range(side):
        for column in range(side):
            cx = (column + 0.5 + canvas.uniform(-0.22, 0.22)) / side
            cy = (row + 0.5 + canvas.uniform(-0.22, 0.22)) / side
            a, b = u - np.float32(cx), v - np.float32(cy)
            reach = canvas.uniform(0.5, 0.62) / side
            hand = 1 if (row + column) % 2 else -1
            turn = hand * canvas.uniform(4.5, 7.0) * clip01(1 - np.hypot(a, b) / np.float32(reach)) ** 1.3
            c, s = np.cos(turn), np.sin(turn)
            u, v = cx + c * a + s * b, cy - s * a + c * b
    tilt = canvas.uniform(0, TAU)
    u, v = u.astype(np.float32), v.astype(np.float32)
    lane = (np.cos(tilt) * u + np.sin(tilt) * v) * np.float32(side * canvas.uniform(2.0, 3.0))
    lane = lane + 0.3 * canvas.noise(2)
    band = smoothstep(0.22, 0.78, triangle(lane))
    return (
        canvas.paint(band) if canvas.chance(0.5) else canvas.ramp(clip01(0.75 * band + 0.3 * canvas.noise(2)))
    )


def paisley(canvas: Canvas) -> Image:
    """Curled teardrops with nested outlines, a flower inside and dots between, in alternating directions."""
    count = canvas.between(1.7, 2.8)
    u, v = canvas.tilted(30.0)
    u, v = u * np.float32(count), v * np.float32(count * 0.8)
    v = v + 0.5 * (np.floor(u) % 2)
    flip = np.where((np.floor(u) + np.floor(v)) % 2 < 1, 1.0, -1.0).astype(np.float32)
    p, q = 0.84 * (u - np.floor(u) - 0.5) * flip, 0.78 * (v - np.floor(v) - 0.5) * flip
    drop = _teardrop(p, q)
    px = np.float32(1.5 * count / canvas.size)
    inside = smoothstep(px / 2, -px / 2, drop)
    ring = smoothstep(px, 0.4 * px, np.abs(drop + 0.085))
    core = smoothstep(px / 2, -px / 2, drop + 0.15)
    a, b = p + 0.0, q - 0.14
    flower = np.hypot(a, b) - 0.055 - 0.03 * np.cos(5 * np.arctan2(b, a))
    petals = smoothstep(px / 2, -px / 2, flower)
    around = (np.arctan2(q - 0.1, p) / TAU * 15) % 1.0
    beads = smoothstep(1.2, 0.7, np.hypot((around - 0.5) * 3.4, (drop - 0.055) / 0.024))
    pal = canvas.palette
    image = mix(pal.background, pal.foreground, np.maximum(inside, 0.9 * beads))
    image = mix(image, pal.background, ring)
    image = mix(image, pal.accent[::-1].copy(), core)
    return clip01(mix(image, pal.background, petals))


def _teardrop(p: Field, q: Field) -> Field:
    """Signed distance-like field of a paisley drop: discs that shrink along an arc from the body to the tip."""
    best = np.full_like(p, 9.0)
    for step in np.linspace(0.0, 1.0, 9):
        bend = step * 1.9
        cx, cy = 0.24 * (1 - np.cos(bend)) * step, 0.14 - 0.30 * np.sin(bend)
        best = np.minimum(
            best, np.hypot(p - np.float32(cx), q - np.float32(cy)) - np.float32(0.235 * (1 - step) ** 0.8)
        )
    return best
