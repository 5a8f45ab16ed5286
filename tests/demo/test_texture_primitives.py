"""What textures are drawn with is as fast as it is by other steps than the plain ones, and gives their numbers bit by bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from susx.demo.captions import dominant_colours
from susx.demo.textures import colour_name
from susx.demo.textures.canvas import Canvas, _slopes, mix, planes, smoothstep
from susx.demo.textures.domains import _bilinear, _crop
from susx.demo.textures.flow import _quantiles, _wrapped

SIZES = (64, 48, 33)
RNG = np.random.default_rng


def _plain_cells(rng: np.random.Generator, u: Any, v: Any, jitter: float) -> dict[str, Any]:
    """Voronoi cells pixel by pixel, from the same random table."""
    table = rng.random((4, 64, 64), dtype=np.float32)
    drawn = {
        name: np.empty(u.shape, np.float32) for name in ("nearest", "border", "value", "other", "du", "dv")
    }
    for place in np.ndindex(u.shape):
        iu, iv = int(np.floor(u[place])), int(np.floor(v[place]))
        fu, fv = np.float32(u[place] - iu), np.float32(v[place] - iv)
        seeds = []
        for oy in (-1, 0, 1):
            for ox in (-1, 0, 1):
                row, column = (iv + oy) & 63, (iu + ox) & 63
                eu = fu - ox - (0.5 + np.float32(jitter) * (table[0, row, column] - 0.5))
                ev = fv - oy - (0.5 + np.float32(jitter) * (table[1, row, column] - 0.5))
                seeds.append((eu * eu + ev * ev, eu, ev, table[2, row, column], table[3, row, column]))
        closest = min(seeds, key=lambda seed: seed[0])
        distances = sorted(seed[0] for seed in seeds)
        drawn["nearest"][place] = np.sqrt(distances[0])
        drawn["border"][place] = np.sqrt(distances[1]) - np.sqrt(distances[0])
        for name, number in zip(("du", "dv", "value", "other"), closest[1:], strict=True):
            drawn[name][place] = number
    return drawn


@pytest.mark.parametrize("jitter", [0.9, 0.0, 1.0])
def test_cells_are_those_of_each_pixel_alone(jitter: float) -> None:
    """Distances, offsets and the cells' numbers, with ties (no jitter) and with coordinates on both sides of zero."""
    canvas = Canvas.blank(RNG(3), 33)
    for u, v in ((canvas.u * 7.3, canvas.v * 5.1), ((canvas.x - 0.5) * 6, (canvas.y - 0.5) * 6)):
        at = Canvas(RNG(5), 33, canvas.palette, canvas.x, canvas.y, u, v)
        cells = at.voronoi(u, v, jitter)
        for name, values in _plain_cells(RNG(5), u, v, jitter).items():
            np.testing.assert_array_equal(getattr(cells, name), values, err_msg=name)


def test_noise_at_places_is_the_lattice_blended() -> None:
    """By two lists of indices, as one writes it."""
    canvas = Canvas.blank(RNG(0), 64)
    u, v = canvas.u * np.float32(9), canvas.v * np.float32(4)
    lattice = RNG(1).random((64, 64), dtype=np.float32)
    iu, iv = np.floor(u).astype(int), np.floor(v).astype(int)
    fu, fv = smoothstep(0, 1, u - iu), smoothstep(0, 1, v - iv)
    rows = [lattice[i & 63, iu & 63] * (1 - fu) + lattice[i & 63, (iu + 1) & 63] * fu for i in (iv, iv + 1)]
    drawn = Canvas(RNG(1), 64, canvas.palette, canvas.x, canvas.y, u, v).noise_at(u, v)
    np.testing.assert_array_equal(drawn, rows[0] * (1 - fv) + rows[1] * fv)


@pytest.mark.parametrize("size", SIZES)
def test_slopes_and_quantiles_are_numpys(size: int) -> None:
    """``gradient`` and ``quantile``, to the last bit."""
    for seed in range(20):
        field = RNG(seed).standard_normal((size, size)).astype(np.float32)
        for slope, expected in zip(_slopes(field, 1 / size), np.gradient(field, 1 / size), strict=True):
            np.testing.assert_array_equal(slope, expected)
        shares = (0.01, 0.5, 0.99)
        np.testing.assert_array_equal(_quantiles(field, shares), np.quantile(field, shares))


@pytest.mark.parametrize("size", SIZES)
def test_positions_go_on_at_the_other_side(size: int) -> None:
    """Also where the width is no power of two."""
    positions = (RNG(0).random((size, size), dtype=np.float32) - 0.5) * 4 * size
    np.testing.assert_array_equal(_wrapped(positions, size), np.rint(positions).astype(int) % size)


@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize("size", SIZES)
def test_an_upright_crop_samples_as_any_view_does(size: int, precision: type) -> None:
    """By rows and columns, with mirrored edges, the numbers of the sampler of single pixels."""
    image: Any = RNG(0).random((size, size, 3)).astype(precision)
    u, v = ((RNG(seed).random(size, dtype=np.float32) * 1.2 - 0.1) * (size - 1) for seed in (1, 2))
    cropped = _crop(image, u, v)
    assert cropped.dtype == np.float64
    np.testing.assert_array_equal(cropped, _bilinear(image, *np.meshgrid(u, v)))


def test_colours_are_blended_as_if_broadcast() -> None:
    """A field over colours and images of either kind."""
    field = RNG(0).random((48, 48), dtype=np.float32)
    np.testing.assert_array_equal(planes(field), np.repeat(field[..., None], 3, axis=2))
    colours = [np.array([0.1, 0.5, 0.9]), np.array([0.3, 0.2, 0.7], np.float32)]
    images = [RNG(seed).random((48, 48, 3)).astype(kind) for seed, kind in ((1, np.float32), (2, np.float64))]
    for low in (*colours, *images):
        for high in (*colours, *images):
            blend = (low + field[..., None] * (high - low)).astype(np.float32)
            np.testing.assert_array_equal(mix(low, high, field), blend)


def test_colours_of_both_halves_are_the_means() -> None:
    """Of the brighter and of the darker pixels, the larger half first; a picture of one colour has one name."""
    for seed in range(30):
        pixels = RNG(seed).integers(0, 256, (2, 2, 3), dtype=np.uint8).repeat(9, axis=0).repeat(7, axis=1)
        flat = pixels.reshape(-1, 3).astype(np.float32) / 255
        luma = flat[:, 0] + flat[:, 1] + flat[:, 2]
        bright = luma > 0.5 * (luma.min() + luma.max())
        halves = sorted((bright, ~bright), key=lambda half: -int(half.sum()))
        expected = tuple(colour_name(flat[half].mean(axis=0, dtype=np.float64)) for half in halves)
        assert dominant_colours(pixels) in (expected, expected[::-1] if bright.mean() == 0.5 else expected)
    assert dominant_colours(np.full((4, 4, 3), 20, np.uint8)) == ("black", "black")
