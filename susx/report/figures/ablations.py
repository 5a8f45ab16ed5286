"""Figures of ablations: curves, the alpha-gamma plane, named bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from susx.report.figure_data import Bars, Curve, Plane
from susx.report.figures.spec import Figure, colours, make_figure, percent, plain

__all__ = ["bar_figure", "curve_figure", "plane_figure"]


def curve_figure(title: str, curves: Sequence[Curve]) -> Figure:
    """Draw the curves of one figure: shares as per cent, other quantities as they are."""
    share = curves[0].y_label in ("top-1", "share of test images")

    def written(value: float, digits: int = 1) -> str:
        return percent(value, digits) if share else f"{value:.4g}"

    traces: list[dict[str, Any]] = []
    for colour, c in zip(colours(), curves, strict=False):
        trace = {
            "type": "scatter", "mode": "lines+markers", "name": plain(c.name), "x": list(c.x), "y": list(c.y),
            "line": {"color": colour}, "marker": {"color": colour},
            "hovertemplate": ("%{x}: %{y:.2%}<extra>" if share else "%{x}: %{y:.4g}<extra>") + plain(c.name) + "</extra>",
        }  # fmt: skip
        if c.low and c.high:
            trace["error_y"] = {
                "type": "data", "symmetric": False, "color": colour, "thickness": 1,
                "array": [h - y for h, y in zip(c.high, c.y, strict=True)],
                "arrayminus": [y - low for low, y in zip(c.low, c.y, strict=True)],
            }  # fmt: skip
        traces.append(trace)
    first = curves[0]
    xaxis: dict[str, Any] = {"title": {"text": first.x_label}}
    if first.log_x:
        ticks = sorted({x for c in curves for x in c.x if x > 0})
        xaxis |= {"type": "log", "tickvals": ticks, "ticktext": [f"{t:g}" for t in ticks]}
    caption = "; ".join(
        f"{c.name}: {written(c.y[0])} at {c.x[0]:g} to {written(c.y[-1])} at {c.x[-1]:g}"
        for c in curves
        if c.x
    )
    return make_figure(
        "ablations", title, f"{first.y_label.capitalize()} over {first.x_label or 'the setting'}{'; bars show the spread' if first.low else ''}.", f"Line chart. {caption}.",
        ("line", first.x_label or "x", first.y_label),
        [(c.name, f"{x:g}", written(y, 2)) for c in curves for x, y in zip(c.x, c.y, strict=True)],
        traces, {"xaxis": xaxis, "yaxis": {"title": {"text": first.y_label}, **({"tickformat": ".0%"} if share else {})}},
    )  # fmt: skip


def plane_figure(plane: Plane) -> Figure:
    """Draw top-1 over two hyper-parameters."""
    traces: list[dict[str, Any]] = [{
        "type": "heatmap", "x": [f"{v:.4g}" for v in plane.x], "y": [f"{v:.4g}" for v in plane.y],
        "z": [list(r) for r in plane.values], "colorscale": "Viridis", "colorbar": {"tickformat": ".1%", "thickness": 12},
        "hovertemplate": f"{plane.x_label} %{{x}}, {plane.y_label} %{{y}}: %{{z:.2%}}<extra></extra>",
    }]  # fmt: skip
    best = max((v, i, j) for i, r in enumerate(plane.values) for j, v in enumerate(r))
    caption = f"Highest {percent(best[0])} at {plane.x_label} {plane.x[best[2]]:g}, {plane.y_label} {plane.y[best[1]]:g}"
    if plane.chosen:
        x, y = (f"{v:.4g}" for v in plane.chosen)
        traces.append({
            "type": "scatter", "mode": "markers", "x": [x], "y": [y], "name": "chosen", "showlegend": False,
            "marker": {"symbol": "x", "size": 13, "color": "#ffffff", "line": {"color": "#000000", "width": 1.5}},
            "hovertemplate": "chosen<extra></extra>",
        })  # fmt: skip
        caption += f"; chosen {plane.x_label} {x}, {plane.y_label} {y}"
    return make_figure(
        "ablations", plane.figure,
        f"Top-1 over {plane.x_label} and {plane.y_label}. Seen after the choice was made; it chose nothing.",
        f"Heat map of {len(plane.y)} by {len(plane.x)} values. {caption}.",
        (f"{plane.y_label} \\ {plane.x_label}", *(f"{v:.4g}" for v in plane.x)),
        [(f"{y:.4g}", *(percent(v) for v in row)) for y, row in zip(plane.y, plane.values, strict=True)],
        traces, {"xaxis": {"title": {"text": plane.x_label}, "type": "category"},
                 "yaxis": {"title": {"text": plane.y_label}, "type": "category"}},
    )  # fmt: skip


def bar_figure(bars: Bars) -> Figure:
    """Draw named values with their intervals."""
    trace: dict[str, Any] = {
        "type": "bar", "x": [plain(n) for n in bars.names], "y": list(bars.values), "marker": {"color": "--c1"}, "width": 0.55,
        "hovertemplate": "%{x}: %{y:.2%}<extra></extra>",
    }  # fmt: skip
    if bars.low and bars.high:
        trace["error_y"] = {
            "type": "data", "symmetric": False, "color": "--ink", "thickness": 1.5,
            "array": [h - v for h, v in zip(bars.high, bars.values, strict=True)],
            "arrayminus": [v - low for low, v in zip(bars.low, bars.values, strict=True)],
        }  # fmt: skip
    caption = "; ".join(f"{n} {percent(v)}" for n, v in zip(bars.names, bars.values, strict=True))
    return make_figure(
        "ablations", bars.figure, bars.note or f"{bars.y_label}, with 95 % intervals where they are known.",
        f"Bar chart: {caption}.", ("", bars.y_label), [(n, percent(v, 2)) for n, v in zip(bars.names, bars.values, strict=True)],
        [trace], {"yaxis": {"title": {"text": bars.y_label}, "tickformat": ".0%"}, "xaxis": {"type": "category"}},
    )  # fmt: skip
