"""Figures of distributions: reliability of confidences, cosines within and between modalities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from susx.report.figure_data import Histogram, Reliability
from susx.report.figures.spec import Figure, colours, make_figure, percent, plain

__all__ = ["cosine_figure", "reliability_figure"]


def reliability_figure(diagrams: Sequence[Reliability]) -> Figure | None:
    """Draw accuracy over confidence."""
    if not diagrams:
        return None
    traces: list[dict[str, Any]] = [{
        "type": "scatter", "x": [0, 1], "y": [0, 1], "mode": "lines", "name": "perfect", "hoverinfo": "skip",
        "line": {"color": "--muted", "dash": "dot", "width": 1},
    }]  # fmt: skip
    for colour, d in zip(colours(), diagrams, strict=False):
        traces.append({
            "type": "scatter", "mode": "lines+markers", "name": plain(d.name), "x": list(d.confidence), "y": list(d.accuracy),
            "customdata": list(d.counts), "line": {"color": colour}, "marker": {"color": colour},
            "hovertemplate": "confidence %{x:.1%}, right %{y:.1%}, %{customdata} images<extra>" + plain(d.name) + "</extra>",
        })  # fmt: skip
    caption = "; ".join(f"{d.name}: ECE {percent(d.ece)}" for d in diagrams)
    axis = {"tickformat": ".0%", "range": [0, 1.02]}
    return make_figure(
        "calibration", "Reliability", "How often an answer of a given confidence is right; on the dotted line it is honest.",
        f"Line chart of accuracy over confidence. {caption}.",
        ("method", "mean confidence", "accuracy", "images"),
        [(d.name, percent(c), percent(a), str(n)) for d in diagrams
         for c, a, n in zip(d.confidence, d.accuracy, d.counts, strict=True)],
        traces, {"xaxis": {"title": {"text": "confidence"}, **axis}, "yaxis": {"title": {"text": "accuracy"}, **axis}},
    )  # fmt: skip


def cosine_figure(group: str, histograms: Sequence[Histogram]) -> Figure:
    """Draw the cosine histograms of one group over each other."""
    traces, rows, captions = [], [], []
    for colour, h in zip(colours(), histograms, strict=False):
        total = max(sum(h.counts), 1)
        centres = [(a + b) / 2 for a, b in zip(h.edges, h.edges[1:], strict=False)]
        traces.append({
            "type": "scatter", "mode": "lines", "name": plain(h.name), "x": centres, "y": [c / total for c in h.counts],
            "fill": "tozeroy", "line": {"color": colour, "shape": "hvh", "width": 2}, "opacity": 0.8,
            "hovertemplate": "cosine %{x:.3f}: %{y:.1%} of pairs<extra>" + plain(h.name) + "</extra>",
        })  # fmt: skip
        mean = "–" if h.mean is None else f"{h.mean:.3f}"
        rows.append((h.name, str(sum(h.counts)), mean, f"{h.edges[0]:.2f}", f"{h.edges[-1]:.2f}"))
        captions.append(f"{h.name} mean {mean}")
    return make_figure(
        "gap", group,
        " ".join(["Share of pairs per cosine. A click on a name in the legend hides or shows it.",
                  *dict.fromkeys(h.note for h in histograms if h.note)]),
        f"Histograms: {'; '.join(captions)}.", ("pairs", "number", "mean", "lowest bin", "highest bin"), rows, traces,
        {"xaxis": {"title": {"text": "cosine"}}, "yaxis": {"title": {"text": "share of pairs"}, "tickformat": ".0%"}},
    )  # fmt: skip
