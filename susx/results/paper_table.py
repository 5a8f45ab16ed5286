"""The table of a paper: what it shows, ranked within each group, with what is significant and who looked at labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from susx.evaluation.comparison import holm
from susx.experiment.result_rows import Row
from susx.methods import REFERENCE
from susx.results.axes import AXES, Axis, matching, title_of, undecided, values_of
from susx.results.entries import Entry, Measures, check_same_inputs, entry_of
from susx.results.format import Result
from susx.results.label_use import AuditLine, audit_of
from susx.results.table_notes import caption_of, notes_of

__all__ = ["Cell", "Group", "Interval", "Layout", "Line", "PaperTable", "paper_table"]

Interval: TypeAlias = Literal["pm", "range", "none"]

LEVEL = 0.05
"""p below which an entry is marked, after the correction."""

_LESS_IS_BETTER = ("ece", "seconds")


@dataclass(frozen=True)
class Layout:
    """What a table shows and where.

    Attributes:
        rows, columns, group: axes; those of the group stand above their rows.
        where: AXIS=VALUE clauses.
        value: field of a row that is shown.
        gains: show paired gains beside it.
        interval: how intervals are written.
        marks: mark what is significantly better or worse than ``against``.
        against: method that gains are over.
        digits: after the point.
    """

    rows: tuple[Axis, ...] = (AXES["method"],)
    columns: tuple[Axis, ...] = (AXES["dataset"],)
    group: tuple[Axis, ...] = (AXES["access"],)
    where: tuple[str, ...] = ()
    value: str = "top1"
    gains: bool = False
    interval: Interval = "pm"
    marks: bool = True
    against: str = REFERENCE
    digits: int = 1


@dataclass(frozen=True)
class Cell:
    """An entry with its rank in its group (1 best, 2 second, 0 neither) and mark ("+" better, "-" worse, "")."""

    entry: Entry
    rank: int = 0
    mark: str = ""


@dataclass(frozen=True)
class Line:
    """A row of the table."""

    label: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Group:
    """Rows that looked at the same."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class PaperTable:
    """A table, ready to be written in any format.

    Attributes:
        caption: what is shown, with its unit.
        stub: heading of the rows.
        spanner: heading of all columns.
        columns: their headings.
        groups: of rows.
        notes: what a reader must know, a sentence each.
        audit: who looked at labels.
        layout: what it was made by.
        command: how its result was made.
    """

    caption: str
    stub: str
    spanner: str
    columns: tuple[str, ...]
    groups: tuple[Group, ...]
    notes: tuple[str, ...]
    audit: tuple[AuditLine, ...]
    layout: Layout
    command: str = ""


@dataclass
class _Spots:
    """The entries by place, while they are ranked and marked."""

    cells: dict[tuple[str, str, str], Cell] = field(default_factory=dict)

    def of(self, group: str, column: str) -> list[tuple[tuple[str, str, str], Entry]]:
        return [(key, cell.entry) for key, cell in self.cells.items() if (key[0], key[2]) == (group, column)]


def paper_table(results: Sequence[Result], layout: Layout) -> PaperTable:
    """Make the table of one or several results.

    Raises:
        ConfigError: a clause that leaves nothing, or no such axis or value.
        InputError: rows that differ in what the table has no place for; files that belong to no row.
    """
    check_same_inputs(results)
    every = tuple(row for result in results for row in result.rows)
    owner = {id(row): result for result in results for row in result.rows}
    rows = matching(every, layout.where)
    undecided(rows, (*layout.rows, *layout.columns, *layout.group))
    measures = Measures(owner, every, layout.value, layout.against)
    names = values_of(AXES["dataset"], rows)
    labels, columns, groups = (_combined(axes, rows) for axes in (layout.rows, layout.columns, layout.group))
    mean = layout.columns == (AXES["dataset"],) and len(names) > 1
    spots = _Spots()
    for group in groups:
        for label in labels:
            held = [
                row for row in rows if _key(layout.group, row) == group and _key(layout.rows, row) == label
            ]
            if not held:
                continue
            for column in columns:
                here = [row for row in held if _key(layout.columns, row) == column]
                over = sorted({row.dataset for row in here}) if AXES["dataset"] in _placed(layout) else names
                spots.cells[group, label, column] = Cell(entry_of(here, over, measures))
            if mean:
                spots.cells[group, label, _MEAN] = Cell(entry_of(held, names, measures))
    shown = (*columns, *([_MEAN] if mean else []))
    _rank(spots, groups, shown, layout)
    compared = _mark(spots, layout)
    used = tuple(row for cell in spots.cells.values() for row in cell.entry.rows)
    return PaperTable(
        caption_of(layout.value, used, names, AXES["dataset"] in _placed(layout)), _heading(layout.rows),
        _heading(layout.columns), tuple(_written(layout.columns, column) for column in shown),
        tuple(
            Group(_written(layout.group, group), tuple(
                Line(_written(layout.rows, label), tuple(spots.cells[group, label, column] for column in shown))
                for label in labels if (group, label, shown[0]) in spots.cells
            ))
            for group in groups
        ),
        notes_of([cell.entry for cell in spots.cells.values()], layout.interval, compared, title_of(layout.against), layout.value),
        audit_of(used), layout, str(results[0].facts.get("command") or ""),
    )  # fmt: skip


_MEAN = "mean"
_JOIN = "\x1f"


def _placed(layout: Layout) -> tuple[Axis, ...]:
    return (*layout.rows, *layout.columns, *layout.group)


def _key(axes: Sequence[Axis], row: Row) -> str:
    return _JOIN.join(axis.of(row) for axis in axes)


def _combined(axes: Sequence[Axis], rows: Sequence[Row]) -> list[str]:
    """Return the combinations of values that occur, in the order of the axes' values."""
    order = [{value: at for at, value in enumerate(values_of(axis, rows))} for axis in axes]
    keys = dict.fromkeys(_key(axes, row) for row in rows)
    places = {
        key: [order[at][part] for at, part in enumerate(key.split(_JOIN))] if axes else [] for key in keys
    }
    return sorted(keys, key=places.__getitem__)


def _written(axes: Sequence[Axis], key: str) -> str:
    if key == _MEAN:
        return "mean"
    parts = [
        title_of(part) if axis.name == "method" else part
        for axis, part in zip(axes, key.split(_JOIN), strict=False)
    ]
    first, rest = parts[:1], [part for part in parts[1:] if part != "-"]
    return "".join(first) + (f" ({', '.join(rest)})" if rest else "")


def _heading(axes: Sequence[Axis]) -> str:
    return ", ".join(axis.heading for axis in axes)


def _rank(spots: _Spots, groups: Sequence[str], columns: Sequence[str], layout: Layout) -> None:
    """Rank the entries of each group and column; what reads the same shares its rank."""
    sign = 1 if layout.value in _LESS_IS_BETTER else -1
    scale = 1 if layout.value == "seconds" else 100
    for group in groups:
        for column in columns:
            held = {
                key: round(sign * scale * entry.value, layout.digits)
                for key, entry in spots.of(group, column) if entry.value is not None
            }  # fmt: skip
            if len(held) < 2:
                continue  # alone, it is neither best nor second
            best = sorted(set(held.values()))[:2]
            # Two that share the first place leave no second.
            second = best[1] if len(best) > 1 and list(held.values()).count(best[0]) == 1 else None
            for key, value in held.items():
                rank = 1 if value == best[0] else 2 if value == second else 0
                spots.cells[key] = dataclasses.replace(spots.cells[key], rank=rank)


def _mark(spots: _Spots, layout: Layout) -> int:
    """Mark what differs from the reference after Holm's correction over all entries; returns how many were compared."""
    tested = [
        key
        for key, cell in spots.cells.items()
        if cell.entry.p_value is not None and cell.entry.gain is not None
    ]
    if not layout.marks or layout.value != "top1":
        return 0
    corrected = holm([spots.cells[key].entry.p_value or 0.0 for key in tested])
    for key, p_value in zip(tested, corrected, strict=True):
        if p_value < LEVEL:
            mark = "+" if (spots.cells[key].entry.gain or 0) > 0 else "-"
            spots.cells[key] = dataclasses.replace(spots.cells[key], mark=mark)
    return len(tested)
