"""A figure as a page that needs no network (Plotly), or as LaTeX (pgfplots)."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from typing import Any

from susx.report.figures.spec import plain
from susx.results.figures import PaperFigure, Series
from susx.results.latex import escape_tex

__all__ = ["DRAWERS", "draw"]

_COLOURS = ("0072B2", "D55E00", "009E73", "CC79A7", "E69F00", "56B4E9", "000000", "7F7F7F")
"""Okabe & Ito's, told apart by people who are colour-blind; then a new dash begins."""
_DASHES = ("solid", "dash", "dashdot")
_TEX_DASHES = ("solid", "dashed", "dashdotted")
_POLICY = "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""The page asks the network for nothing."""
_MARKS = ("*", "square*", "triangle*", "diamond*", "o", "square", "triangle", "diamond")


def draw(figure: PaperFigure, form: str) -> str:
    """Return the figure as text; ``form`` is a key of ``DRAWERS``."""
    return DRAWERS[form](figure)


def _html(figure: PaperFigure) -> str:
    from plotly import graph_objects as go

    shown = go.Figure()
    for at, series in enumerate(figure.series):
        for trace in _traces(figure, series, at):
            shown.add_trace(getattr(go, trace.pop("type"))(**trace))
    axis: dict[str, Any] = {"title": {"text": plain(figure.x_label)}}
    if figure.ticks:
        axis |= {
            "tickvals": list(range(len(figure.ticks))),
            "ticktext": [plain(tick) for tick in figure.ticks],
        }
    elif figure.log_x:
        axis["type"] = "log"
        if figure.kind == "shots":
            values = sorted({x for series in figure.series for x in series.x})
            axis |= {"tickvals": values, "ticktext": [f"{value:g}" for value in values]}
    shown.update_layout(
        template="plotly_white", xaxis=axis, yaxis={"title": {"text": plain(figure.y_label)}, "zeroline": figure.kind == "gains"},
        legend={"font": {"size": 11}}, margin={"t": 20}, width=860, height=520,
    )  # fmt: skip
    picture = shown.to_html(
        full_html=False, include_plotlyjs=True, config={"toImageButtonOptions": {"format": "svg"}}
    )
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in row) + "</tr>"
        for row in _numbers(figure)
    )
    heads = "".join(
        f"<th>{html.escape(head)}</th>" for head in ("series", figure.x_label, figure.y_label, "low", "high")
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{html.escape(figure.caption)}</title></head>\n<body>{picture}\n<p>{html.escape(figure.caption)}</p>\n"
        f"<details><summary>Numbers</summary><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></details></body></html>\n"
    )


def _traces(figure: PaperFigure, series: Series, at: int) -> list[dict[str, Any]]:
    colour, dash = f"#{_COLOURS[at % 8]}", _DASHES[at // 8 % 3]
    x, name = list(series.x), plain(series.name)
    line = {"color": colour, "dash": "dot" if series.level else dash}
    if figure.kind == "shots":
        shared = {"type": "Scatter", "name": name, "legendgroup": name}
        drawn = {
            **shared,
            "x": x,
            "y": list(series.y),
            "mode": "lines" if series.level else "lines+markers",
            "line": line,
        }
        if series.level:
            return [drawn]
        edges = {
            "x": [*x, *reversed(x)],
            "y": [*series.high, *reversed(series.low)],
            "mode": "lines",
            "line": {"width": 0},
        }
        band = {
            **shared,
            **edges,
            "fill": "toself",
            "fillcolor": _faint(colour),
            "hoverinfo": "skip",
            "showlegend": False,
        }
        return [band, drawn]
    if figure.ticks:  # side by side, so that intervals do not cover each other
        x = [value + 0.6 * ((at + 0.5) / len(figure.series) - 0.5) for value in x]
    above, below = _errors(series)
    error = {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "thickness": 1}
    return [{"type": "Scatter", "x": x, "y": list(series.y), "mode": "markers", "name": name, "marker": {"color": colour, "size": 9},
             "error_y": error}]  # fmt: skip


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.15)"


def _errors(series: Series) -> tuple[list[float], list[float]]:
    above = [high - y for high, y in zip(series.high, series.y, strict=True)]
    return above, [y - low for low, y in zip(series.low, series.y, strict=True)]


def _numbers(figure: PaperFigure) -> list[tuple[str, ...]]:
    return [
        (
            series.name,
            figure.ticks[int(x)] if figure.ticks else f"{x:.4g}",
            *(f"{value:.2f}" for value in (y, low, high)),
        )
        for series in figure.series
        for x, y, low, high in zip(series.x, series.y, series.low, series.high, strict=True)
    ]


def _latex(figure: PaperFigure) -> str:
    """Return a ``figure`` environment; it needs pgfplots with its library fillbetween."""
    options = [
        r"width=0.92\linewidth", r"height=0.6\linewidth", f"xlabel={{{escape_tex(figure.x_label)}}}", f"ylabel={{{escape_tex(figure.y_label)}}}",
        "legend style={font=\\scriptsize, at={(0.5,-0.22)}, anchor=north}", "legend columns=2", "legend cell align=left", "grid=major",
        "grid style={gray!20}", "tick label style={font=\\small}",
    ]  # fmt: skip
    if figure.ticks:
        names = ",".join(f"{{{escape_tex(tick)}}}" for tick in figure.ticks)
        options += [
            f"xtick={{{','.join(str(at) for at in range(len(figure.ticks)))}}}",
            f"xticklabels={{{names}}}",
        ]
    elif figure.kind == "shots":
        values = sorted({x for series in figure.series for x in series.x})
        options += [
            "xmode=log",
            "log basis x=2",
            f"xtick={{{_joined(values)}}}",
            f"xticklabels={{{_joined(values)}}}",
        ]
    elif figure.log_x:
        options.append("xmode=log")
    out = [
        r"% needs \usepackage{pgfplots} \pgfplotsset{compat=1.15} \usepgfplotslibrary{fillbetween}",
        r"\begin{figure}[tb]",
        r"\centering",
    ]
    out += [rf"\definecolor{{susx{at}}}{{HTML}}{{{colour}}}" for at, colour in enumerate(_COLOURS)]
    out += [r"\begin{tikzpicture}", r"\begin{axis}[" + ",\n  ".join(options) + "]"]
    for at, series in enumerate(figure.series):
        out += _plots(figure, series, at)
    if figure.kind == "gains":
        out.append(r"\draw[gray] ({rel axis cs:0,0}|-{axis cs:0,0}) -- ({rel axis cs:1,0}|-{axis cs:0,0});")
    out += [
        r"\end{axis}",
        r"\end{tikzpicture}",
        rf"\caption{{{escape_tex(figure.caption)}}}",
        r"\end{figure}",
    ]
    return "\n".join(out) + "\n"


def _plots(figure: PaperFigure, series: Series, at: int) -> list[str]:
    colour, dash = f"susx{at % 8}", _TEX_DASHES[at // 8 % 3]
    legend = rf"\addlegendentry{{{escape_tex(series.name)}}}"
    if figure.kind == "shots":
        style = f"{colour}, {'densely dotted' if series.level else dash}, {'mark=none' if series.level else f'mark={_MARKS[at % 8]}'}"
        drawn = [rf"\addplot[{style}] coordinates {{{_points(series.x, series.y)}}};", legend]
        if series.level:
            return drawn
        return [
            rf"\addplot[draw=none, forget plot, name path=high{at}] coordinates {{{_points(series.x, series.high)}}};",
            rf"\addplot[draw=none, forget plot, name path=low{at}] coordinates {{{_points(series.x, series.low)}}};",
            rf"\addplot[{colour}, opacity=0.15, forget plot] fill between[of=high{at} and low{at}];",
            *drawn,
        ]
    shift = 0.6 * ((at + 0.5) / len(figure.series) - 0.5) if figure.ticks else 0.0
    above, below = _errors(series)
    points = " ".join(
        f"({x + shift:.4g},{y:.3f}) += (0,{up:.3f}) -= (0,{down:.3f})"
        for x, y, up, down in zip(series.x, series.y, above, below, strict=True)
    )
    bars = "error bars/.cd, y dir=both, y explicit"
    return [
        rf"\addplot[only marks, {colour}, mark={_MARKS[at % 8]}, {bars}] coordinates {{{points}}};",
        legend,
    ]


def _points(xs: Sequence[float], ys: Sequence[float]) -> str:
    return " ".join(f"({x:.6g},{y:.3f})" for x, y in zip(xs, ys, strict=True) if math.isfinite(y))


def _joined(values: Sequence[float]) -> str:
    return ",".join(f"{value:g}" for value in values)


DRAWERS: dict[str, Callable[[PaperFigure], str]] = {"html": _html, "latex": _latex}
"""How a figure can be drawn."""
