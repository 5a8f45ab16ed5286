"""``susx report table`` and ``susx report compare``: the numbers of finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from susx.types import Json

app = typer.Typer(help="Print and compare the numbers of finished reports.", no_args_is_help=True)

__all__ = ["app"]

Runs = Annotated[
    list[Path], typer.Argument(help="Folders of reports, or their metrics.json.", metavar="REPORT...")
]
Format = Annotated[str, typer.Option("--format", help="markdown, latex or csv.")]


@app.command("table")
def table(runs: Runs, form: Format = "markdown") -> None:
    """Print one line per method of every report, ready for a README, a paper or a spreadsheet."""
    from susx.report.tables import method_rows, render_table

    typer.echo(render_table(*method_rows(_read(runs)), _checked(form)), nl=False)


@app.command("compare")
def compare(
    runs: Runs,
    form: Annotated[
        str | None, typer.Option("--format", help="markdown, latex or csv; default: for reading.")
    ] = None,
) -> None:
    """Put reports side by side: what differs between the runs, then top-1 of every method.

    The first one is the reference; differences to it are in points.
    """
    from susx.errors import ConfigError
    from susx.report.tables import compare_rows, render_table

    if len(runs) < 2:
        raise ConfigError(f"Comparing needs at least two reports, found {len(runs)}. Name another folder.")
    found = _read(runs)
    header, rows = compare_rows(found)
    if form is not None:
        typer.echo(render_table(header, rows, _checked(form)), nl=False)
        return
    from susx.commands.console import escape, output
    from susx.commands.table import Column, print_table

    title = "Top-1 in per cent \\[95 % interval] (difference to the first, points)"
    columns = [Column(escape(heading), "text" if at else "name") for at, heading in enumerate(header)]
    print_table(output(), title, columns, [tuple(map(escape, row)) for row in rows])


def _read(runs: list[Path]) -> dict[str, Json]:
    """Read the reports under short names: the folder's own, or as much of its path as tells them apart."""
    from susx.report import read_metrics

    folders = [(run.parent if run.name == "metrics.json" else run).absolute() for run in runs]
    for depth in range(1, 64):
        names = ["/".join(folder.parts[-depth:]) for folder in folders]
        if len(set(names)) == len(set(folders)):
            break
    unique = [name if name not in names[:i] else f"{name} ({i + 1})" for i, name in enumerate(names)]
    return {name: read_metrics(run) for name, run in zip(unique, runs, strict=True)}


def _checked(form: str):  # type: ignore[no-untyped-def]
    from susx.errors import ConfigError, did_you_mean
    from susx.report.tables import FORMATS

    if form not in FORMATS:
        raise ConfigError(f"Unknown format '{form}'.{did_you_mean(form, FORMATS)}")
    return form
