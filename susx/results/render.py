"""A table in the formats that people put it into: LaTeX, Markdown, CSV, HTML."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Callable, Sequence

from susx.printable import for_cell, for_terminal
from susx.results.entries import Entry
from susx.results.label_use import HEADER
from susx.results.latex import latex
from susx.results.numbers import gain_text, interval_text, value_text
from susx.results.paper_table import Cell, Layout, PaperTable

__all__ = ["FORMATS", "render"]

_MARKS = {"": "", "+": "*", "-": "†"}


def render(table: PaperTable, form: str, *, audit: bool = True) -> str:
    """Return the table as text that ends in a line break.

    Args:
        table: see ``paper_table``.
        form: a key of ``FORMATS``.
        audit: say beneath it who looked at labels; a CSV has no place for it.
    """
    return FORMATS[form](table, audit)


def _text(cell: Cell, layout: Layout, strong: Callable[[str, int], str], escape: Callable[[str], str]) -> str:
    """Return an entry on one line: value, mark, interval, gain."""
    entry = cell.entry
    if entry.value is None:
        return "failed" if entry.failed else "–"
    text = strong(value_text(entry.value, layout.value, layout.digits), cell.rank) + escape(_MARKS[cell.mark])
    text += escape(interval_text(entry.value, entry.low, entry.high, layout.interval, layout.digits))
    if layout.gains and entry.gain is not None:
        text += f" ({escape(gain_text(entry, layout.interval, layout.digits))})"
    return text


def _markdown(table: PaperTable, audit: bool) -> str:
    def escape(text: str) -> str:
        return text.replace("|", "\\|").replace("\n", " ").replace("*", "\\*").replace("<", "&lt;")

    def strong(text: str, rank: int) -> str:
        return f"**{text}**" if rank == 1 else f"<u>{text}</u>" if rank == 2 else text

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    named = f"{table.stub} / {table.spanner}" if table.spanner else table.stub
    out = [f"{escape(table.caption)}.", "", line([escape(named), *map(escape, table.columns)])]
    out.append("|" + " --- |" + " ---: |" * len(table.columns))
    for group in table.groups:
        if group.title:
            out.append(line([f"*{escape(group.title)}*", *[""] * len(table.columns)]))
        for row in group.lines:
            cells = [_text(cell, table.layout, strong, escape) for cell in row.cells]
            out.append(line([escape(row.label), *cells]))
    out += ["", *(f"{escape(note)}  " for note in table.notes)]
    if audit:
        out += ["", "Who looked at labels:", "", line(HEADER), "|" + " --- |" * len(HEADER)]
        out += [line([escape(text) for text in entry.texts()]) for entry in table.audit]
    return "\n".join(out) + "\n"


def _html(table: PaperTable, audit: bool) -> str:
    def strong(text: str, rank: int) -> str:
        return f"<strong>{text}</strong>" if rank == 1 else f"<u>{text}</u>" if rank == 2 else text

    width = len(table.columns)
    out = ['<table class="susx-table">', f"<caption>{html.escape(table.caption)}</caption>", "<thead>"]
    if table.spanner:
        out.append(
            f'<tr><td></td><th scope="colgroup" colspan="{width}">{html.escape(table.spanner)}</th></tr>'
        )
    heads = "".join(f'<th scope="col">{html.escape(column)}</th>' for column in table.columns)
    out += [f'<tr><th scope="col">{html.escape(table.stub)}</th>{heads}</tr>', "</thead>"]
    for group in table.groups:
        out.append("<tbody>")
        if group.title:
            out.append(f'<tr><th scope="rowgroup" colspan="{width + 1}">{html.escape(group.title)}</th></tr>')
        for row in group.lines:
            cells = "".join(
                f"<td>{_text(cell, table.layout, strong, html.escape)}</td>" for cell in row.cells
            )
            out.append(f'<tr><th scope="row">{html.escape(row.label)}</th>{cells}</tr>')
        out.append("</tbody>")
    out += ["</table>", *(f"<p>{html.escape(note)}</p>" for note in table.notes)]
    if audit:
        heads = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in HEADER)
        out += [
            "<details><summary>Who looked at labels</summary>",
            f"<table><thead><tr>{heads}</tr></thead><tbody>",
        ]
        out += [
            "<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in entry.texts()) + "</tr>"
            for entry in table.audit
        ]
        out.append("</tbody></table></details>")
    return "\n".join(out) + "\n"


_COLUMNS = ("looks_at", "row", "column", "value", "low", "high", "gain", "gain_low", "gain_high", "p_value", "mark", "rank", "images",
            "cells", "reason")  # fmt: skip


def _csv(table: PaperTable, audit: bool) -> str:
    """One line an entry, in per cent, for programs and spreadsheets."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for group in table.groups:
        for row in group.lines:
            for column, cell in zip(table.columns, row.cells, strict=True):
                numbers = _numbers(cell.entry, table.layout.value)
                line = (
                    group.title,
                    row.label,
                    column,
                    *numbers,
                    cell.mark,
                    cell.rank or "",
                    cell.entry.n or "",
                    len(cell.entry.rows),
                    cell.entry.reason,
                )
                writer.writerow([for_cell(part) if at != 10 else part for at, part in enumerate(line)])
    return buffer.getvalue()


def _numbers(entry: Entry, value: str) -> tuple[object, ...]:
    scale = 1 if value == "seconds" else 100
    shares = (entry.value, entry.low, entry.high, entry.gain, entry.gain_low, entry.gain_high)
    return (
        *("" if share is None else round(scale * share, 4) for share in shares),
        "" if entry.p_value is None else entry.p_value,
    )


FORMATS: dict[str, Callable[[PaperTable, bool], str]] = {
    "csv": _csv,
    "html": _html,
    "latex": latex,
    "markdown": lambda table, audit: for_terminal(_markdown(table, audit)),
}
"""How a table can be written."""
