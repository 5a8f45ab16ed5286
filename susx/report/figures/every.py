"""Every figure a report has something for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from susx.report.figures.ablations import bar_figure, curve_figure, plane_figure
from susx.report.figures.classes import change_figure, count_figure, matrix_figure
from susx.report.figures.distributions import cosine_figure, reliability_figure
from susx.report.figures.spec import Figure
from susx.report.model import ReportData

__all__ = ["figures"]


def figures(data: ReportData) -> list[Figure]:
    """Return every figure the data has something for, in the order of the page."""
    every: list[Figure | None] = [
        change_figure(data.changes),
        matrix_figure(data.confusion_matrix, data.classes),
    ]
    every.append(reliability_figure(data.reliability))
    every += [cosine_figure(name, group) for name, group in _grouped(data.histograms, "group")]
    every += [curve_figure(name, group) for name, group in _grouped(data.curves, "figure")]
    every += [plane_figure(plane) for plane in data.planes]
    every += [bar_figure(bars) for bars in data.bars]
    every.append(count_figure(data.counts))
    drawn = [figure for figure in every if figure is not None]
    return [dataclasses.replace(figure, key=f"figure-{i}") for i, figure in enumerate(drawn, 1)]


def _grouped(items: Sequence[Any], field: str) -> Iterable[tuple[str, list[Any]]]:
    groups: dict[str, list[Any]] = {}
    for item in items:
        groups.setdefault(getattr(item, field), []).append(item)
    return groups.items()
