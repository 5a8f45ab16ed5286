"""Tables on a terminal: no number and no name is ever cut, however narrow it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len
from rich.console import Console
from rich.markup import render
from rich.padding import Padding
from rich.table import Table

__all__ = ["Column", "print_table"]

_LONGEST_WORD = 20
"""A word of a text that is longer (a path, a digest) may be broken."""

_BETWEEN = 3
"""Columns that a border and its air take."""


@dataclass(frozen=True)
class Column:
    """A column and what it holds.

    A ``name`` and a ``number`` stand on one line, whole; numbers are right-aligned. A ``text`` is wrapped between words.
    """

    heading: str
    kind: Literal["name", "number", "text"] = "text"


def print_table(
    console: Console, title: str, columns: Sequence[Column], rows: Sequence[Sequence[str]]
) -> None:
    """Print a table; where its names and numbers do not fit the width, one block of lines a row.

    Args:
        console: where to; its width is not exceeded by any number or name that is no wider itself.
        title: markup, as are the cells.
        columns: headings and kinds.
        rows: one cell a column each.
    """
    widths = _widths(columns, rows, console.width)
    if widths is None:
        _print_blocks(console, title, columns, rows)
        return
    table = Table(title=title, title_justify="left")
    for column, width in zip(columns, widths, strict=True):
        justify: Literal["left", "right"] = "right" if column.kind == "number" else "left"
        table.add_column(column.heading, justify=justify, width=width, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """Return the width of each column, None where what may not be wrapped does not fit."""
    cells = [[_plain(row[at]) for row in rows] for at in range(len(columns))]
    whole = [
        max(map(cell_len, [column.heading, *inside])) for column, inside in zip(columns, cells, strict=True)
    ]
    least = [
        full
        if column.kind != "text"
        else min(full, max(_longest_word(text) for text in (column.heading, *inside)))
        for column, inside, full in zip(columns, cells, whole, strict=True)
    ]
    free = width - (_BETWEEN * len(columns) + 1) - sum(least)
    if free < 0:
        return None
    widths = list(least)
    while free > 0 and widths != whole:
        # The narrowest of those that want more gets one more: texts grow alike.
        at = min((at for at in range(len(widths)) if widths[at] < whole[at]), key=lambda at: widths[at])
        widths[at] += 1
        free -= 1
    return widths


def _print_blocks(
    console: Console, title: str, columns: Sequence[Column], rows: Sequence[Sequence[str]]
) -> None:
    console.print(f"[italic]{title}[/]")
    for row in rows:
        pairs = list(zip(columns, row, strict=True))
        names = [cell for column, cell in pairs if column.kind == "name" and cell]
        console.print("  ".join(names), style="bold", soft_wrap=True)
        line = ""
        for column, cell in pairs:
            if column.kind == "name" or not cell:
                continue
            part = f"{column.heading} {cell}".strip()
            if column.kind == "text" and cell_len(_plain(part)) + 4 > console.width:
                console.print(Padding("\n".join(filter(None, (line, part))), (0, 0, 0, 4)))
                line = ""
                continue
            if line and cell_len(_plain(f"    {line}   {part}")) > console.width:
                console.print(f"    {line}", soft_wrap=True)
                line = ""
            line = f"{line}   {part}" if line else part
        if line:
            console.print(f"    {line}", soft_wrap=True)


def _longest_word(text: str) -> int:
    return min(max((cell_len(word) for word in text.split()), default=1), _LONGEST_WORD)


def _plain(markup: str) -> str:
    return render(markup).plain
