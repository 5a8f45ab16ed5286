"""The figures of a paper: accuracy over shots with bands, gain by data set, cost against accuracy."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from susx.errors import InputError
from susx.results.axes import AXES, title_of
from susx.results.format import Result
from susx.results.paper_table import Layout, Line, PaperTable, paper_table
from susx.results.table_notes import UNITS

__all__ = ["KINDS", "PaperFigure", "Series", "paper_figure"]

KINDS = ("shots", "gains", "cost")
"""``shots``: accuracy over labelled images per class, a line a method with its 95 % interval as a band, methods without shots as level lines.
``gains``: paired gain by data set. ``cost``: accuracy over seconds of fit and prediction."""


@dataclass(frozen=True)
class Series:
    """One method under one access.

    Attributes:
        name: for the legend.
        x: numbers; positions of ``ticks`` where there are some.
        y, low, high: per cent or points, with the 95 % interval.
        level: whether it is one value for all x.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    level: bool = False


@dataclass(frozen=True)
class PaperFigure:
    """A figure, ready to be drawn in any format.

    Attributes:
        kind: see ``KINDS``.
        caption: what is shown, and what a reader must know.
        x_label, y_label: with units.
        series: what is drawn.
        ticks: names of the positions 0, 1, 2 ... of x; empty where x is a number.
        log_x: whether x is drawn by its logarithm.
    """

    kind: str
    caption: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    ticks: tuple[str, ...] = ()
    log_x: bool = False


def paper_figure(results: Sequence[Result], kind: str, layout: Layout) -> PaperFigure:
    """Make a figure of one or several results.

    Args:
        results: see ``paper_table``.
        kind: of ``KINDS``.
        layout: rows, group, where and against; columns and value follow from the kind.

    Raises:
        ConfigError, InputError: what ``paper_table`` refuses; nothing to draw.
    """
    make = {"shots": _over_shots, "gains": _by_data_set, "cost": _cost}[kind]
    figure = make(results, dataclasses.replace(layout, interval="pm", marks=False, value="top1"))
    if not any(series.x for series in figure.series):
        raise InputError(
            f"There is nothing to draw as '{kind}': no entry of the result has the numbers for it."
        )
    return figure


def _over_shots(results: Sequence[Result], layout: Layout) -> PaperFigure:
    table = paper_table(results, dataclasses.replace(layout, columns=(AXES["shots"],)))
    counts = [float(column) for column in table.columns if column not in ("0", "all")]
    series = []
    for name, line in _lines(table):
        points = [
            (float(column), cell.entry) for column, cell in zip(table.columns, line.cells, strict=True)
            if column not in ("0", "all") and cell.entry.value is not None
        ]  # fmt: skip
        if points:
            series.append(_series(name, [(x, e.value, e.low, e.high) for x, e in points]))
        first = line.cells[0].entry
        if table.columns[0] == "0" and first.value is not None and counts:
            ends = (counts[0], counts[-1])
            series.append(
                dataclasses.replace(
                    _series(name, [(x, first.value, first.low, first.high) for x in ends]), level=True
                )
            )
    return PaperFigure(
        "shots", _caption(table, "Bands: 95 % interval over images. Dotted: looks at no labelled image."), "labelled images per class",
        "top-1 accuracy (%)", tuple(series), log_x=True,
    )  # fmt: skip


def _by_data_set(results: Sequence[Result], layout: Layout) -> PaperFigure:
    table = paper_table(results, dataclasses.replace(layout, columns=(AXES["dataset"],), gains=True))
    series = []
    for name, line in _lines(table):
        points = [
            (float(at), cell.entry.gain, cell.entry.gain_low, cell.entry.gain_high) for at, cell in enumerate(line.cells)
            if cell.entry.gain is not None
        ]  # fmt: skip
        if points:
            series.append(_series(name, points))
    return PaperFigure(
        "gains", f"Gain over {title_of(layout.against)} in points, paired on the same images, with its 95 % interval{_mean_of(table)}.", "data set", "gain (points)", tuple(series),
        ticks=table.columns,
    )  # fmt: skip


def _cost(results: Sequence[Result], layout: Layout) -> PaperFigure:
    accuracy = paper_table(results, dataclasses.replace(layout, columns=()))
    seconds = paper_table(results, dataclasses.replace(layout, columns=(), value="seconds"))
    series = []
    for (name, line), (_, cost) in zip(_lines(accuracy), _lines(seconds), strict=True):
        entry, spent = line.cells[0].entry, cost.cells[0].entry.value
        if entry.value is not None and spent is not None:
            series.append(_series(name, [(spent, entry.value, entry.low, entry.high)]))
    return PaperFigure(
        "cost", _caption(accuracy, "Seconds of tuning, fit and prediction on one machine, the mean of the cells; one run each."), "seconds",
        "top-1 accuracy (%)", tuple(series), log_x=True,
    )  # fmt: skip


def _lines(table: PaperTable) -> Iterator[tuple[str, Line]]:
    """Yield each line with a name that holds its group where the label alone does not tell it."""
    labels = [line.label for group in table.groups for line in group.lines]
    for group in table.groups:
        for line in group.lines:
            alone = labels.count(line.label) == 1 or not group.title
            yield line.label if alone else f"{line.label}, {group.title}", line


def _series(name: str, points: Sequence[tuple[float, float | None, float | None, float | None]]) -> Series:
    """Return points in per cent; a value without an interval is its own."""
    measured = [
        (x, y, y if low is None else low, y if high is None else high)
        for x, y, low, high in points
        if y is not None
    ]
    columns = [tuple(row[at] if at == 0 else 100 * row[at] for row in measured) for at in range(4)]
    return Series(name, columns[0], columns[1], columns[2], columns[3])


def _caption(table: PaperTable, more: str) -> str:
    return f"{table.caption}. {more}"


def _mean_of(table: PaperTable) -> str:
    """Return what a table's caption says after its unit."""
    return table.caption.removeprefix(UNITS["top1"])
