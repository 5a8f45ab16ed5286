"""One figure: Plotly JSON, its words and the table of its numbers.

Colours are written as CSS variable names (``"--c1"``); the page's script replaces them by the values of the theme in use, so
that a figure follows light and dark. Every figure carries an alternative text and its numbers as a table: drawn paths
say nothing to a screen reader.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Figure", "colours", "make_figure", "percent", "plain"]

_COLOURS = tuple(f"--c{i}" for i in range(1, 9))


@dataclass(frozen=True)
class Figure:
    """One figure: Plotly ``spec`` (JSON text), its words, and its numbers as a table; ``key`` is its id on the page."""

    key: str
    section: str
    title: str
    caption: str
    alt: str
    spec: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    height: int


def make_figure(
    section: str, title: str, caption: str, alt: str, header: Sequence[str], rows: Iterable[Sequence[str]],
    traces: Sequence[dict[str, Any]], layout: dict[str, Any], height: int = 360,
) -> Figure:  # fmt: skip
    """Check the traces with Plotly's own schema (an unknown attribute raises) and freeze them as JSON."""
    from plotly import graph_objects as go

    checked = go.Figure(layout={**layout, "template": None})
    for trace in traces:
        checked.add_trace(getattr(go, trace["type"].capitalize())(_uncoloured(trace)))
    spec = json.dumps(
        {"data": _rounded(traces), "layout": _rounded({**layout, "height": height})}, separators=(",", ":")
    )
    return Figure(
        "", section, title, caption, alt, spec, tuple(header), tuple(tuple(r) for r in rows), height
    )


def colours() -> Iterator[str]:
    """Yield the eight colours of the theme again and again."""
    while True:
        yield from _COLOURS


def percent(value: float | None, digits: int = 1) -> str:
    """Return a fraction as per cent, a dash when unknown."""
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def plain(text: str) -> str:
    """Return a name as Plotly has to be given it to draw the name itself: it reads some HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _uncoloured(value: Any) -> Any:
    """Replace colour variables by a colour Plotly knows, for checking only."""
    if isinstance(value, dict):
        return {k: _uncoloured(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_uncoloured(v) for v in value]
    return "#000000" if isinstance(value, str) and value.startswith("--") else value


def _rounded(value: Any) -> Any:
    """Round to five significant digits: half the bytes, nothing anyone can see."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(v) for v in value]
    return value
