"""Textures made of threads: plaits, weaves, knits, nets, hair, sheer cloth, lace, ruffles and cobwebs.

Each category is ``name(canvas) -> (size, size, 3)`` in [0, 1]; see :mod:`susx.demo.textures.canvas`.
"""

from __future__ import annotations

import numpy as np

from susx.demo.textures.canvas import Canvas, Field, Image, clip01, mix, planes, smoothstep
from susx.demo.textures.flow import fine_grain, streaks
from susx.demo.textures.yarn import dyed, fold, mix_light

__all__ = [
    "braided", "cobwebbed", "fibrous", "frilly", "gauzy", "interlaced", "knitted", "lacelike", "matted", "meshed",
    "woven",
]  # fmt: skip

TAU = np.float32(2 * np.pi)


def braided(canvas: Canvas) -> Image:
    """Columns of three-strand plaits: strand k is at sin(t), at depth sin(2t), t shifted by a third of a turn."""
    columns = canvas.between(1.3, 3.4)
    u, v = canvas.tilted(180.0) if canvas.chance(0.35) else canvas.tilted(20.0)
    p = u * columns - np.floor(u * columns) - np.float32(0.5)
    t = v * np.float32(columns / canvas.uniform(1.1, 1.5)) * TAU
    radius, swing = canvas.uniform(0.17, 0.20), canvas.uniform(0.25, 0.29)
    depth = np.full_like(u, -9.0)
    tone, light = np.zeros_like(u), np.full_like(u, 0.35)
    tones = (1.0, 1.0, 1.0) if canvas.chance(0.5) else (1.0, 1.0, canvas.uniform(0.4, 0.8))
    hairs = canvas.uniform(3.0, 5.0)
    for strand in range(3):
        phase = t + TAU * strand / 3
        slope = swing * np.cos(phase) * np.float32(TAU / 1.3)
        offset = (p - swing * np.sin(phase)) / np.sqrt(1 + slope * slope) / radius
        inside = np.abs(offset) < 1
        z = np.sin(2 * phase) + 0.3 * np.sqrt(clip01(1 - offset * offset))
        top = inside & (z > depth)
        depth = np.where(top, z, depth)
        shade = 0.42 + 0.75 * np.sqrt(clip01(1 - (0.85 * offset + 0.15) ** 2)) + 0.12 * np.sin(2 * phase)
        shade = shade * (1 + 0.10 * np.sin(offset * np.float32(hairs * np.pi)))
        light = np.where(top, shade, light)
        tone = np.where(top, np.float32(tones[strand]), tone)
    return dyed(canvas, tone, light)


def woven(canvas: Canvas) -> Image:
    """A plain or basket weave of flat strips, each arching over one crossing and under the next."""
    count = canvas.between(4.0, 8.0)
    u, v = canvas.tilted(12.0) if canvas.chance(0.6) else canvas.tilted(50.0)
    u, v = u * np.float32(count), v * np.float32(count)
    over = (np.floor(u) + np.floor(v)) % 2 < 1
    fu, fv = u - np.floor(u) - 0.5, v - np.floor(v) - 0.5
    across, along = np.where(over, fu, fv), np.where(over, fv, fu)
    width = canvas.uniform(0.40, 0.48)
    profile = np.sqrt(clip01(1 - (across / 0.56) ** 2)) * (
        0.55 + 0.55 * np.cos(along * np.float32(0.85 * np.pi))
    )
    ribs = 1 + canvas.uniform(0.0, 0.14) * np.sin(across * np.float32(canvas.uniform(3, 5) * TAU))
    strip = canvas.soft((np.abs(across) - width) / np.float32(count))
    light = mix_light(0.22, 0.3 + 0.8 * profile * ribs, strip)
    second = 0.0 if canvas.chance(0.5) else canvas.uniform(0.4, 1.0)
    return dyed(canvas, np.where(over, np.float32(1.0), np.float32(1.0 - second)), light)


def knitted(canvas: Canvas) -> Image:
    """Stocking stitch: columns of V-shaped loops of yarn."""
    columns = canvas.between(4.0, 8.5)
    u, v = canvas.tilted(12.0)
    u, v = canvas.warp(u, v, 0.02)
    u, v = u * np.float32(columns), v * np.float32(columns * canvas.uniform(1.0, 1.25))
    p = np.abs(u - np.floor(u) - 0.5)
    t = v + p * np.float32(canvas.uniform(1.3, 1.6))
    across, along = t - np.floor(t) - 0.5, (p - 0.25) / 0.27
    yarn = np.sqrt(clip01(1 - (across / 0.54) ** 2)) * np.sqrt(clip01(1 - along**2))
    twist = 1 + 0.12 * np.sin((along * 1.2 + across * 2.0) * TAU)
    light = 0.25 + 0.95 * yarn * twist
    if canvas.chance(0.5):  # coloured rows, as in a jersey
        rows = (np.floor(t) % canvas.rng.integers(2, 6)) < 1
        return dyed(canvas, np.where(rows, np.float32(canvas.uniform(0.0, 0.4)), np.float32(1.0)), light)
    return dyed(canvas, np.ones_like(u), light)


def interlaced(canvas: Canvas) -> Image:
    """Outlined curving ribbons that pass over and under each other, as in Celtic knotwork."""
    count = canvas.between(2.2, 3.8)
    u, v = canvas.tilted(20.0)
    u, v = (u + v) * np.float32(0.7 * count), (u - v) * np.float32(0.7 * count)
    bend = canvas.uniform(0.14, 0.22)
    a, b = u + bend * np.sin(v * TAU / 2), v + bend * np.sin(u * TAU / 2)
    over = (np.floor(a) + np.floor(b)) % 2 < 1
    fa, fb = np.abs(a - np.floor(a) - 0.5), np.abs(b - np.floor(b) - 0.5)
    top, low = np.where(over, fa, fb), np.where(over, fb, fa)
    width, edge, px = canvas.uniform(0.17, 0.22), canvas.uniform(0.05, 0.07), np.float32(1.0 / count)
    groove = canvas.uniform(0.03, 0.05) if canvas.chance(0.5) else 0.0
    amount, dark = np.zeros_like(u), np.ones_like(u)
    for distance in (low, top):  # the upper ribbon is drawn last
        hull = canvas.soft((distance - width - edge) * px)
        body = canvas.soft((distance - width) * px) * (
            1 - canvas.soft((distance - groove) * px) * (groove > 0)
        )
        amount = amount * (1 - hull) + hull
        dark = dark * (1 - hull) + hull * (0.12 + body * (1.05 - 1.2 * distance))
    return canvas.paint(amount, dark)


def meshed(canvas: Canvas) -> Image:
    """Chain-link wire netting: thin round wires in diamonds, twisted round each other at the joints."""
    count = canvas.between(4.0, 7.5)
    u, v = canvas.tilted(12.0)
    v = v * np.float32(canvas.uniform(0.6, 1.0))
    a, b = (u + v) * np.float32(0.75 * count), (u - v) * np.float32(0.75 * count)
    over = (np.floor(a) + np.floor(b)) % 2 < 1
    radius = canvas.uniform(0.09, 0.13)
    amount, light = np.zeros_like(u), 0.5 + 0.4 * canvas.noise(2)
    px = np.float32(1.0 / count)
    for wire, above in ((a, over), (b, ~over), (a, over & (np.abs(b - np.floor(b) - 0.5) < 0.25))):
        distance = wire - np.floor(wire) - 0.5
        body = canvas.soft((np.abs(distance) - radius) * px)
        shade = 0.45 + 0.9 * np.sqrt(clip01(1 - (distance / radius * 0.8 + 0.3) ** 2)) * np.where(
            above, 1.1, 0.75
        )
        light = light * (1 - body) + shade * body
        amount = np.maximum(amount, body)
    steel = np.array([0.78, 0.79, 0.80], np.float32) * canvas.uniform(0.85, 1.1)
    metal = steel if canvas.chance(0.6) else canvas.palette.foreground
    ground = canvas.palette.background * 0.55 if metal is steel else canvas.palette.background
    return clip01(mix(ground, metal, amount) * planes(light))


def matted(canvas: Canvas) -> Image:
    """Tangled hair: locks that curl every way, some lying over others and throwing shadows."""
    grain = fine_grain(canvas)
    tone, light = np.zeros_like(canvas.x), np.zeros_like(canvas.x)
    for layer in range(2):
        turn = TAU * canvas.uniform(0.8, 1.3) * canvas.noise(int(canvas.rng.integers(3, 5))) + canvas.uniform(
            0, 6
        )
        hair = streaks(canvas, grain, turn, steps=7, stride=1.0)
        over = canvas.noise(5)
        cover = smoothstep(0.47, 0.52, over) if layer else np.ones_like(over)
        light = light * (1 - 0.6 * smoothstep(0.36, 0.47, over)) if layer else light
        light = light * (1 - cover) + cover * (0.18 + 0.95 * hair)
        tone = tone * (1 - cover) + cover * hair
    return dyed(canvas, 0.35 + 0.65 * tone, light)


def fibrous(canvas: Canvas) -> Image:
    """Long nearly parallel fibres, combed along a gently bending direction."""
    angle = canvas.uniform(0, np.pi) + canvas.uniform(0.15, 0.5) * (2 * canvas.noise(2) - 1)
    height = streaks(canvas, fine_grain(canvas), angle, steps=12, stride=1.1)
    bundle = streaks(canvas, canvas.noise(20), angle, steps=9, stride=2.5)
    tone = clip01(0.65 * height + 0.45 * bundle - 0.05)
    return dyed(canvas, tone, 0.45 + 0.75 * height)


def gauzy(canvas: Canvas) -> Image:
    """Sheer cloth: overlapping see-through folds with a fine net of threads, over a darker ground."""
    u, v = canvas.warp(*canvas.tilted(45.0), amount=0.02)
    across, along = canvas.warp(canvas.u, canvas.v, 0.15)
    count = np.float32(canvas.between(14, 19))
    net = 0.5 + 0.25 * (np.cos(u * count * TAU) + np.cos(v * count * TAU))
    clear = np.ones_like(u)
    for _ in range(3):  # every layer of cloth lets part of the light through
        fold = canvas.noise_at(across * np.float32(canvas.between(2.5, 5.0)), along * np.float32(0.6))
        hem = smoothstep(0.36, 0.40, fold)
        crease = smoothstep(0.12, 0.0, np.abs(fold - 0.42))
        clear = clear * (1 - hem * (0.30 + 0.16 * net + 0.20 * crease))
    clear = clear * (0.80 - 0.18 * net)
    tint = 0.30 * canvas.palette.foreground + 0.70 * np.array([1.0, 0.99, 0.97], np.float32)
    ground = 0.55 * np.minimum(canvas.palette.background, canvas.palette.foreground) + 0.18 * tint
    return clip01(mix(tint, ground, clip01(clear * 1.15 - 0.08)))


def lacelike(canvas: Canvas) -> Image:
    """White lace: flower medallions of loops and holes joined by a fine net, over a dark ground."""
    count = canvas.between(1.6, 2.8)
    u, v = canvas.tilted(45.0)
    u, v = u * np.float32(count), v * np.float32(count)
    p, q = u - np.floor(u) - 0.5, v - np.floor(v) - 0.5
    r, angle = np.hypot(p, q), np.arctan2(q, p)
    petals = int(canvas.rng.integers(5, 9))
    petal = np.abs(np.cos(angle * petals / 2))
    px = 1.1 / (canvas.size / count)

    def line(distance: Field) -> Field:
        return smoothstep(1.6 * px, 0.3 * px, np.abs(distance))

    mesh_count = np.float32(canvas.uniform(5.0, 6.5))
    mesh = np.maximum(
        line(fold((p + q) * mesh_count) / mesh_count), line(fold((p - q) * mesh_count) / mesh_count)
    )
    edge = 0.30 + 0.12 * petal
    lace = np.maximum(0.65 * mesh * (r > edge), line(r - edge))
    filled = smoothstep(px, -px, r - 0.16 - 0.11 * petal) * smoothstep(-px, px, r - 0.09)
    eyelets = smoothstep(px, 2 * px, np.abs(petal - 1) * 0.35 + np.abs(r - 0.20))
    lace = np.maximum(lace, filled * eyelets)
    lace = np.maximum(lace, line(r - 0.065))
    scallop = smoothstep(0.2, 0.9, np.abs(np.cos(angle * petals * 1.5)))
    lace = np.maximum(lace, 0.9 * scallop * line((r - edge + 0.045) / 1.4))
    white = 0.15 * canvas.palette.foreground + 0.85 * np.array([0.99, 0.97, 0.94], np.float32)
    dark = 0.55 * np.minimum(canvas.palette.background, canvas.palette.foreground)
    return mix(dark, white, clip01(lace * (0.85 + 0.2 * canvas.noise(6))))


def frilly(canvas: Canvas) -> Image:
    """Tiers of ruffles: pleats that fan out to a wavy hem, which throws a shadow on the tier below."""
    tiers, waves = canvas.between(2.2, 3.6), canvas.between(2.2, 3.8)
    u, v = canvas.tilted(25.0)
    u, v = canvas.warp(u, v, 0.03)
    v = v * np.float32(tiers)
    light, tone = np.zeros_like(u), np.zeros_like(u)
    trimmed = canvas.uniform(0.3, 0.9) if canvas.chance(0.5) else 0.0
    for lag in (0, 1):  # the tier above hangs over this one and is drawn last
        row = np.floor(v) - lag
        phase = (u * np.float32(waves) + 0.37 * row + 0.12 * np.sin(5 * row)) * TAU
        hem = 1.22 + 0.20 * np.sin(phase) + 0.07 * np.sin(2 * phase + row)
        t = v - row
        fan = smoothstep(0.05, 0.9, t / hem)
        pleats = 0.95 + fan * (0.42 * np.cos(phase + 0.8 * np.sin(phase)) + 0.15 * np.cos(3 * phase))
        edge = smoothstep(0.16, 0.08, hem - t)
        body = canvas.soft((t - hem) / np.float32(tiers)) if lag else np.ones_like(u)
        shadow: Field | float = smoothstep(-0.02, 0.30, t - hem) if lag else 1.0
        bare: Field = 1 - body
        light = light * bare * (0.35 + 0.65 * shadow) + body * (pleats - 0.35 * (1 - fan) + 0.3 * edge)
        tone = tone * bare + body * (1 - trimmed * edge)
    return dyed(canvas, tone, np.maximum(light, 0.12))


def cobwebbed(canvas: Canvas) -> Image:
    """A spider's web: spokes from an off-centre hub and sagging threads between them, over a dark ground."""
    dx, dy = canvas.centred(0.3)
    dx, dy = canvas.warp(dx, dy, 0.02)
    spokes = int(canvas.rng.integers(9, 15))
    r, turn = np.hypot(dx, dy), (np.arctan2(dy, dx) / TAU + canvas.uniform(0, 1)) * np.float32(spokes)
    turn = turn + 0.25 * np.sin(turn * TAU / spokes * 2 + canvas.uniform(0, 6))
    between = turn - np.floor(turn)
    sag = 4 * between * (1 - between)
    rings = (r * (1 + canvas.uniform(0.16, 0.26) * sag)) * np.float32(canvas.between(8, 12))
    rings = rings + 0.35 * canvas.rng.random(64).astype(np.float32)[np.floor(turn).astype(int) & 63]
    px = 1.0 / canvas.size
    ring_gap = fold(rings) / np.float32(10.0)
    spoke_gap = np.minimum(between, 1 - between) * TAU / spokes * r
    silk = np.maximum(
        smoothstep(1.7 * px, 0.2 * px, spoke_gap), 0.85 * smoothstep(1.5 * px, 0.2 * px, ring_gap)
    )
    dew = 0.8 + 0.35 * canvas.noise(16)
    dark = np.minimum(canvas.palette.background, canvas.palette.foreground)
    ground = mix(0.25 * dark, 0.75 * dark, canvas.fbm(2, 3))
    return mix(ground, np.array([0.93, 0.95, 0.96], np.float32), clip01(silk * dew))
