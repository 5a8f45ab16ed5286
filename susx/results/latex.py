"""A table as LaTeX with booktabs: one ``table`` environment, its notes beneath, its audit as comments."""

from __future__ import annotations

import re
from collections.abc import Sequence

from susx.results.label_use import HEADER
from susx.results.numbers import gain_text, interval_text, value_text
from susx.results.paper_table import Cell, Layout, PaperTable

__all__ = ["escape_tex", "latex"]

_TEX = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", "±": r"$\pm$", "†": r"$^{\dagger}$", "<": r"$<$", ">": r"$>$",
        "–": "--", "*": r"$^{*}$"}  # fmt: skip

_MARKS = {"": "", "+": r"$^{*}$", "-": r"$^{\dagger}$"}


def latex(table: PaperTable, audit: bool) -> str:
    """Return the table; it needs ``\\usepackage{booktabs}`` and nothing else."""
    width = len(table.columns)
    out = [r"% needs \usepackage{booktabs}"]
    if table.command:
        out.append(f"% made by: {_comment(table.command)}, then susx report table")
    out += [
        r"\begin{table}[tb]",
        r"\centering",
        rf"\caption{{{escape_tex(table.caption)}.}}",
        r"\vspace{4pt}",
        r"\setlength{\tabcolsep}{4pt}",
        r"\small",
    ]
    out += [r"\begin{tabular}{l" + "r" * width + "}", r"\toprule"]
    if table.spanner:
        out += [
            rf" & \multicolumn{{{width}}}{{c}}{{{escape_tex(table.spanner)}}} \\",
            rf"\cmidrule(l){{2-{width + 1}}}",
        ]
    out.append(_line([escape_tex(table.stub), *map(escape_tex, table.columns)]))
    for group in table.groups:
        out.append(r"\midrule")
        if group.title:
            out.append(rf"\multicolumn{{{width + 1}}}{{l}}{{\textit{{{escape_tex(group.title)}}}}} \\")
        for row in group.lines:
            out.append(_line([escape_tex(row.label), *(_cell(cell, table.layout) for cell in row.cells)]))
            if table.layout.gains and any(cell.entry.gain is not None for cell in row.cells):
                out.append(_line(["", *(_gain(cell, table.layout) for cell in row.cells)]))
    out += [r"\bottomrule", r"\end{tabular}"]
    if table.notes:
        out += [
            r"\par\smallskip",
            r"\begin{minipage}{\linewidth}\footnotesize",
            *map(escape_tex, table.notes),
            r"\end{minipage}",
        ]
    out.append(r"\end{table}")
    if audit:
        out += [
            "% Who looked at labels:",
            f"% {' | '.join(HEADER)}",
            *(f"% {' | '.join(map(_comment, entry.texts()))}" for entry in table.audit),
        ]
    return "\n".join(out) + "\n"


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _cell(cell: Cell, layout: Layout) -> str:
    entry = cell.entry
    if entry.value is None:
        return "failed" if entry.failed else "--"
    text = value_text(entry.value, layout.value, layout.digits)
    text = rf"\textbf{{{text}}}" if cell.rank == 1 else rf"\underline{{{text}}}" if cell.rank == 2 else text
    interval = interval_text(entry.value, entry.low, entry.high, layout.interval, layout.digits)
    # A thin space on both sides: one after a command would be eaten.
    small = escape_tex(interval.strip()).replace(r"$\pm$ ", r"$\pm$\,")
    return text + _MARKS[cell.mark] + (rf"{{\scriptsize\,{small}}}" if interval else "")


def _gain(cell: Cell, layout: Layout) -> str:
    if cell.entry.gain is None:
        return ""
    return rf"{{\scriptsize {_number(gain_text(cell.entry, layout.interval, layout.digits))}}}"


def _number(text: str) -> str:
    """Return numbers with a minus where there is one."""
    return re.sub(r"-(?=\d)", r"$-$", escape_tex(text))


def escape_tex(text: str) -> str:
    """Return a text as LaTeX sets it."""
    return "".join(_TEX.get(sign, sign) for sign in text.replace("\n", " "))


def _comment(text: str) -> str:
    """Return a text that stays in its comment."""
    return " ".join(text.split())
