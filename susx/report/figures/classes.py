"""Figures with one mark per class: gain and loss, candidates kept and rejected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from susx.report.figure_data import ClassChange
from susx.report.figures.spec import Figure, colours, make_figure, percent, plain
from susx.report.model import ClassCount

__all__ = ["change_figure", "count_figure", "matrix_figure"]

_MOST_CLASSES = 200
"""A matrix of more classes is in metrics.json alone."""

_MOST_CELLS = 50
"""Confusions listed in the table under the matrix, the most frequent first."""

_LONGEST = 24
"""Characters of a class name under its bar."""


def change_figure(changes: Sequence[ClassChange]) -> Figure | None:
    """Draw the change of each class's accuracy against zero-shot, sorted; None where no class changes: the page says so in words."""
    if all(change.after == change.before for change in changes):
        return None
    ranked = sorted(changes, key=lambda c: c.after - c.before)
    gains = [c.after - c.before for c in ranked]
    up, down = sum(g > 0 for g in gains), sum(g < 0 for g in gains)
    hover = [
        f"{plain(c.class_name)}: {percent(c.before)} → {percent(c.after)} ({c.n} images)" for c in ranked
    ]
    bar = {
        "type": "bar", "x": list(range(len(ranked))), "y": gains, "customdata": hover,
        "hovertemplate": "%{customdata}<extra></extra>",
        "marker": {"color": ["--good" if g > 0 else "--bad" for g in gains]},
    }  # fmt: skip
    return make_figure(
        "classes", "Gain and loss per class",
        "Change of per-class accuracy against zero-shot, sorted; hover a bar for both values.",
        f"Bar chart of {len(ranked)} classes: {up} gain, {down} lose, {len(ranked) - up - down} stay. "
        f"Largest gain {ranked[-1].class_name} ({100 * gains[-1]:+.1f} points), "
        f"largest loss {ranked[0].class_name} ({100 * gains[0]:+.1f} points).",
        ("class", "images", "zero-shot", "method", "change"),
        [(c.class_name, str(c.n), percent(c.before), percent(c.after), f"{100 * (c.after - c.before):+.1f}") for c in ranked[::-1]],
        [bar],
        {"yaxis": {"title": {"text": "change of accuracy"}, "tickformat": "+.0%"},
         "xaxis": _class_axis([c.class_name for c in ranked])},
        400,
    )  # fmt: skip


def matrix_figure(cells: Sequence[tuple[int, int, int]], classes: Sequence[str]) -> Figure | None:
    """Draw the confusion matrix: of each true class the share that each class got."""
    if not cells or len(classes) > _MOST_CLASSES:
        return None
    counts = [[0] * len(classes) for _ in classes]
    for true, predicted, count in cells:
        counts[true][predicted] = count
    shares = [[value / (sum(row) or 1) for value in row] for row in counts]
    wrong = sorted((c for c in cells if c[0] != c[1]), key=lambda c: -c[2])
    hover = [
        [
            f"{plain(true)} called {plain(predicted)}: {counts[i][j]} images"
            for j, predicted in enumerate(classes)
        ]
        for i, true in enumerate(classes)
    ]
    trace = {
        "type": "heatmap", "z": shares, "zmin": 0, "zmax": 1, "colorscale": "Viridis", "customdata": hover,
        "hovertemplate": "%{customdata}<extra></extra>", "colorbar": {"tickformat": ".0%", "thickness": 12},
    }  # fmt: skip
    axis = _class_axis(classes) | {"range": [-0.5, len(classes) - 0.5]}
    named = [
        (classes[true], classes[predicted], str(count)) for true, predicted, count in wrong[:_MOST_CELLS]
    ]
    worst = (
        "Most frequent confusion: {} called {} ({} images).".format(*named[0]) if named else "No confusion."
    )
    return make_figure(
        "classes", "Confusion matrix", "Rows: true class; columns: what it was called; colour: share of the true class's images.",
        f"Heat map of {len(classes)} true by {len(classes)} predicted classes. {worst}",
        ("true class", "called", "images"), named,
        [trace],
        {"xaxis": axis | {"title": {"text": "called"}},
         "yaxis": axis | {"title": {"text": "true class"}, "tickangle": 0, "range": [len(classes) - 0.5, -0.5]}},
        min(900, 260 + 12 * len(classes)),
    )  # fmt: skip


def count_figure(counts: Sequence[ClassCount]) -> Figure | None:
    """Draw how many candidates of each class were kept and rejected."""
    if not counts:
        return None
    names = [c.class_name for c in counts]
    places, shown = list(range(len(names))), [plain(name) for name in names]
    origins = sorted({k for c in counts for k in c.origins})
    reasons = sorted({k for c in counts for k in c.reasons})
    traces = [
        {
            "type": "bar", "name": plain(label), "x": places, "y": values, "customdata": shown, "marker": {"color": colour},
            "hovertemplate": "%{customdata}: %{y}<extra>" + plain(label) + "</extra>",
        }
        for colour, (label, values) in zip(
            colours(),
            [(f"kept, {o}", [c.origins.get(o, 0) for c in counts]) for o in origins]
            + [(f"rejected: {r.replace('_', ' ')}", [c.reasons.get(r, 0) for c in counts]) for r in reasons],
            strict=False,
        )
    ]  # fmt: skip
    kept, rejected = sum(c.kept for c in counts), sum(c.rejected for c in counts)
    fewest = min(counts, key=lambda c: c.kept)
    return make_figure(
        "support", "Candidates per class", "Kept by origin, rejected by reason.",
        f"Stacked bars of {len(counts)} classes: {kept} kept, {rejected} rejected; "
        f"fewest kept: {fewest.class_name} ({fewest.kept}).",
        ("class", "kept", *(f"kept, {o}" for o in origins), *(f"rejected: {r.replace('_', ' ')}" for r in reasons)),
        [(c.class_name, str(c.kept), *(str(c.origins.get(o, 0)) for o in origins),
          *(str(c.reasons.get(r, 0)) for r in reasons)) for c in counts],
        traces, {"barmode": "stack", "yaxis": {"title": {"text": "images"}},
                 "xaxis": _class_axis(names)},
        380,
    )  # fmt: skip


def _class_axis(names: Sequence[str]) -> dict[str, Any]:
    """Return an axis of classes at 0, 1, ...; long names are cut, and beyond 60 classes only the hover names them."""
    cut = [name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…" for name in names]
    return {
        "tickvals": list(range(len(names))), "ticktext": [plain(name) for name in cut], "tickangle": -60, "automargin": True,
        "showticklabels": len(names) <= 60, "range": [-0.7, len(names) - 0.3], "showgrid": False, "zeroline": False,
    }  # fmt: skip
