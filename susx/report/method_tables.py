"""Method rows of one or several runs as a table for a paper, a README or a spreadsheet; runs side by side."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from susx.printable import for_cell
from susx.types import Json

__all__ = ["FORMATS", "TableFormat", "compare_rows", "method_rows", "render_table"]

TableFormat: TypeAlias = Literal["markdown", "latex", "csv"]

Rows: TypeAlias = list[tuple[str, ...]]


def method_rows(runs: Mapping[str, Mapping[str, Json]]) -> tuple[tuple[str, ...], Rows]:
    """Return header and one row per run and method, all five axes included; scores in per cent.

    ``runs`` maps a name to the contents of its ``metrics.json``. Toy runs are marked as such.
    """
    header = ("run", "data set", "prompts", "source", "encoder", "method", "tuning", "n", "top-1", "95 % interval", "gain",
              "top-5", "mean per class", "macro-F1", "ECE", "seed")  # fmt: skip
    rows: Rows = []
    for name, run in runs.items():
        for row in run["methods"]:
            seed = run["run"]["seed"] if row["seed"] is None else row["seed"]
            rows.append((
                name, _dataset(run), row["prompts"], row["source"], row["encoder"], row["method"], row["tuning"] or "-",
                str(row["n"]), _percent(row["top1"]), _interval(row), _signed(row["gain"]), _percent(row["top5"]),
                _percent(row["mean_per_class"]), _percent(row["macro_f1"]), _percent(row["ece"]), str(seed),
            ))  # fmt: skip
    return header, rows


def compare_rows(runs: Mapping[str, Mapping[str, Json]]) -> tuple[tuple[str, ...], Rows]:
    """Return header and rows of a side-by-side table: what differs between the runs first, then top-1 of each method.

    The first run is the reference: others show their difference to it in points. A method that a run lacks is "-".
    """
    header = ("", *runs)
    rows: Rows = [
        (label, *values)
        for label, values in ((label, tuple(read(r) for r in runs.values())) for label, read in _IDENTITY)
        if len(set(values)) > 1 or label in _ALWAYS
    ]
    first = next(iter(runs.values()))
    # Runs that differ in their prompts are what is compared; within one run a method may stand once for each kind.
    apart = any(len({row["prompts"] for row in run["methods"]}) > 1 for run in runs.values())
    for key in dict.fromkeys(_key(row, apart) for run in runs.values() for row in run["methods"]):
        base = _find(first, key, apart)
        cells = []
        for run in runs.values():
            row = _find(run, key, apart)
            cell = "-" if row is None else f"{_percent(row['top1'])} [{_interval(row)}]"
            if (
                row is not None
                and base is not None
                and row is not base
                and None not in (row["top1"], base["top1"])
            ):
                cell += f" ({_signed(row['top1'] - base['top1'])})"
            cells.append(cell)
        rows.append((" ".join(filter(None, key)), *cells))
    return header, rows


def render_table(header: Sequence[str], rows: Sequence[Sequence[str]], form: TableFormat) -> str:
    """Return the table as text that ends in a line break."""
    return FORMATS[form](header, rows)


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([line(header), "|" + " --- |" * len(header), *map(line, rows)]) + "\n"


_TEX = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}  # fmt: skip


def _latex(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return " & ".join("".join(_TEX.get(c, c) for c in cell) for cell in cells) + r" \\"

    body = [
        r"\begin{tabular}{" + "l" * len(header) + "}",
        r"\toprule",
        line(header),
        r"\midrule",
        *map(line, rows),
    ]
    return "\n".join(["% needs \\usepackage{booktabs}", *body, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _csv(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(
        [for_cell(cell) for cell in row] for row in (header, *rows)
    )
    return buffer.getvalue()


FORMATS: dict[str, Callable[[Sequence[str], Sequence[Sequence[str]]], str]] = {
    "csv": _csv,
    "latex": _latex,
    "markdown": _markdown,
}
"""How a table can be written."""


def _support(run: Mapping[str, Json]) -> str:
    return str(sum(sum(c["origins"].values()) for c in run["counts"]))


_IDENTITY: tuple[tuple[str, Callable[[Mapping[str, Any]], str]], ...] = (
    ("data set", lambda run: _dataset(run)),
    ("mode", lambda run: run["run"]["mode"]),
    ("profile", lambda run: run["run"]["profile"]),
    ("encoder", lambda run: run["run"]["encoder"]),
    ("prompts", lambda run: _prompts(run)),
    ("seed", lambda run: str(run["run"]["seed"])),
    ("susx", lambda run: run["run"]["version"]),
    ("support images", _support),
    ("command", lambda run: run["run"]["command"]),
)

_ALWAYS = {"data set", "support images"}


def _dataset(run: Mapping[str, Json]) -> str:
    return str(run["run"]["dataset"]) + (" (toy models)" if run["run"]["toy"] else "")


def _key(row: Mapping[str, Json], apart: bool) -> tuple[str, ...]:
    tuning = f"({row['tuning']})" if row["tuning"] else ""
    return (row["method"], tuning, row["prompts"] if apart else "")


def _find(run: Mapping[str, Json], key: tuple[str, ...], apart: bool) -> Mapping[str, Json] | None:
    return next((row for row in run["methods"] if _key(row, apart) == key), None)


def _prompts(run: Mapping[str, Json]) -> str:
    return ", ".join(dict.fromkeys(row["prompts"] for row in run["methods"]))


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:+.2f}"


def _interval(row: Mapping[str, Json]) -> str:
    return "-" if row["low"] is None else f"{100 * row['low']:.1f}, {100 * row['high']:.1f}"
