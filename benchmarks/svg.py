"""Two small figures as SVG text: intervals on a common axis, and lines over a logarithmic one.

Drawn by hand, as no library of the lock writes a static picture; colours are readable on light and dark pages.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

__all__ = ["intervals", "lines"]

INK, FAINT = "#7a7a85", "#b9b9c3"
COLOURS = ("#2a78c2", "#d2691e", "#2e8b57", "#9455b8")
WIDTH, LEFT, RIGHT, ROW = 720, 230, 30, 30


def intervals(title: str, rows: Sequence[tuple[str, float, float, float]], unit: str) -> str:
    """Return a dot and a bar for each (name, value, low, high), on one axis that holds 0."""
    low, high = min(0.0, *(row[2] for row in rows)), max(0.0, *(row[3] for row in rows))
    air = 0.05 * (high - low)
    low, high = low - air, high + air
    bottom = 40 + ROW * len(rows)

    def place(value: float) -> float:
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    parts = [_line(place(0), 34, place(0), bottom, FAINT)]
    for value in range(math.ceil(low), math.floor(high) + 1):
        parts.append(_text(place(value), bottom + 18, f"{value:+d}" if value else "0", "middle"))
    for at, (name, value, least, most) in enumerate(rows):
        y = 40 + ROW * at + ROW / 2
        parts += [
            _text(LEFT - 12, y + 4, name, "end"),
            _line(place(least), y, place(most), y, COLOURS[0], 4),
            f'<circle cx="{place(value):.1f}" cy="{y:.1f}" r="6" fill="{COLOURS[0]}"/>',
        ]
    parts.append(_text(LEFT, bottom + 38, unit, "start"))
    return _svg(title, bottom + 50, parts)


def lines(title: str, x: Sequence[int], series: Mapping[str, Sequence[float]], below: str, unit: str) -> str:
    """Return one line per series over ``x`` on a scale of powers of two."""
    values = [value for line in series.values() for value in line]
    low, high = min(0.0, math.floor(min(values))), math.ceil(max(values))
    top, bottom, left, right = 40, 300, 60, WIDTH - 170

    def place(at: int, value: float) -> tuple[float, float]:
        share = math.log2(x[at] / x[0]) / math.log2(x[-1] / x[0])
        return left + share * (right - left), bottom - (value - low) / (high - low) * (bottom - top)

    parts: list[str] = []
    ends: list[tuple[float, str, str]] = []
    for value in range(int(low), int(high) + 1):
        y = place(0, value)[1]
        parts += [
            _line(left, y, right, y, FAINT, 1),
            _text(left - 10, y + 4, f"{value:+d}" if value else "0", "end"),
        ]
    parts += [_text(place(at, low)[0], bottom + 20, str(count), "middle") for at, count in enumerate(x)]
    for (name, line), colour in zip(series.items(), COLOURS, strict=False):
        points = [place(at, value) for at, value in enumerate(line)]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        parts += [
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>',
            *(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="4" fill="{colour}"/>' for a, b in points),
        ]
        ends.append((points[-1][1], name, colour))
    free = top - ROW
    for y, name, colour in sorted(ends):
        free = max(y, free + ROW / 2)
        parts.append(_text(right + 14, free + 4, name, "start", colour))
    parts += [_text(left, bottom + 42, below, "start"), _text(left, 26, unit, "start")]
    return _svg(title, bottom + 54, parts)


def _line(x: float, y: float, to_x: float, to_y: float, colour: str, width: float = 1.5) -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{colour}" stroke-width="{width}"/>'


def _text(x: float, y: float, words: str, anchor: str, colour: str = INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def _svg(title: str, height: float, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="14"><title>{escape(title)}</title>'
    )
    return "\n".join([head, *parts, "</svg>\n"])
