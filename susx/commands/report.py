"""``susx report table`` and ``susx report compare``: the numbers of finished runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from susx.commands.endings import ends_in

if TYPE_CHECKING:
    from susx.types import Json

app = typer.Typer(help="Print and compare the numbers of finished reports.", no_args_is_help=True)

__all__ = ["app"]

Runs = Annotated[
    list[Path], typer.Argument(help="Folders of reports, or their metrics.json.", metavar="REPORT...")
]


@app.command("table")
def table(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Results of susx experiment or susx evaluate; or folders of reports, or their metrics.json.",
            metavar="RESULT...",
        ),
    ],
    form: Annotated[
        str, typer.Option("--format", help="markdown, latex or csv; of results also html.")
    ] = "markdown",
    rows: Annotated[
        str,
        typer.Option(help="What rows are: method, tuning, access, shots, dataset, regime; joined by commas."),
    ] = "method",
    columns: Annotated[
        str | None, typer.Option(help="What columns are; default shots where they differ, else dataset.")
    ] = None,
    group: Annotated[str, typer.Option(help='What rows stand together; "" for one group.')] = "access",
    where: Annotated[
        list[str] | None,
        typer.Option(help="AXIS=VALUE[,VALUE]: these rows alone, as regime=all; repeatable."),
    ] = None,
    value: Annotated[
        str, typer.Option(help="top1, top5, mean_per_class, macro_f1, ece, auroc or seconds.")
    ] = "top1",
    gains: Annotated[bool, typer.Option("--gains", help="Paired gains beside the accuracies.")] = False,
    against: Annotated[str, typer.Option(help="Method that gains and marks are over.")] = "zero_shot",
    interval: Annotated[str, typer.Option(help="pm (±), range ([low, high]) or none.")] = "pm",
    marks: Annotated[bool, typer.Option(help="Mark what differs significantly, corrected by Holm.")] = True,
    digits: Annotated[int, typer.Option(min=0, max=4, help="After the point.")] = 1,
    audit: Annotated[bool, typer.Option(help="Say beneath who looked at labels.")] = True,
) -> None:
    """Print the table of a paper from results; of reports one line per method. Ready for a paper, a README or a spreadsheet.

    Best of a group in bold, second underlined; means over draws and data sets have intervals over the images of all of them.
    """
    from susx.errors import ConfigError
    from susx.results import is_result

    kinds = [is_result(run) for run in runs]
    if any(kinds):
        if not all(kinds):
            other = runs[kinds.index(False)]
            raise ConfigError(
                f"{other} is no result of an experiment, and the others are: one table is of one kind."
            )
        typer.echo(
            _paper(
                runs,
                form,
                rows,
                columns,
                group,
                where or (),
                value,
                gains,
                against,
                interval,
                marks,
                digits,
                audit,
            ),
            nl=False,
        )
        return
    from susx.report.method_tables import method_rows, render_table

    typer.echo(render_table(*method_rows(_read(runs)), _checked(form)), nl=False)


def _paper(
    runs: Sequence[Path], form: str, rows: str, columns: str | None, group: str, where: Sequence[str], value: str, gains: bool,
    against: str, interval: str, marks: bool, digits: int, audit: bool,
) -> str:  # fmt: skip
    from susx.errors import ConfigError, did_you_mean
    from susx.methods import find_method
    from susx.results import read_result
    from susx.results.axes import AXES, axes_of, matching, values_of
    from susx.results.paper_table import Layout, paper_table
    from susx.results.render import FORMATS, render
    from susx.results.table_notes import UNITS

    for name, chosen, choices in (
        ("format", form, FORMATS),
        ("value", value, UNITS),
        ("interval", interval, _INTERVALS),
    ):
        if chosen not in choices:
            raise ConfigError(
                f"There is no {name} '{chosen}'.{did_you_mean(chosen, choices)} Give one of {', '.join(choices)}."
            )
    find_method(against)
    results = [read_result(run) for run in runs]
    if columns is None:
        left = matching([row for result in results for row in result.rows], where)
        differ = len([shots for shots in values_of(AXES["shots"], left) if shots != "0"]) > 1
        columns = "shots" if differ and "shots" not in rows + group else "dataset"
    if not rows.strip() or not columns.strip():
        raise ConfigError("--rows and --columns name at least one thing each.")
    layout = Layout(
        axes_of(rows), axes_of(columns), axes_of(group), tuple(where), value, gains, _INTERVALS[interval], marks, against, digits
    )  # fmt: skip
    named = [axis.name for axis in (*layout.rows, *layout.columns, *layout.group)]
    if len(set(named)) < len(named):
        raise ConfigError("An axis is named twice among --rows, --columns and --group; each has one place.")
    return render(paper_table(results, layout), form, audit=audit)


@app.command("figure")
def figure(
    runs: Annotated[
        list[Path], typer.Argument(help="Results of susx experiment or susx evaluate.", metavar="RESULT...")
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="File to draw into: .html, a page for itself, or .tex, for pgfplots.",
            callback=ends_in(".html", ".tex"),
        ),
    ],
    kind: Annotated[
        str,
        typer.Option(
            help="shots (accuracy over shots), gains (by data set) or cost (accuracy over seconds)."
        ),
    ] = "shots",
    rows: Annotated[
        str, typer.Option(help="What is drawn apart, as rows of a table: method, tuning ...")
    ] = "method",
    where: Annotated[
        list[str] | None, typer.Option(help="AXIS=VALUE[,VALUE]: these rows alone; repeatable.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="Method that gains are over; default zero_shot.")
    ] = None,
) -> None:
    """Draw a figure of a paper from results: means with their 95 % intervals over images."""
    from susx.errors import ConfigError, InputError, did_you_mean
    from susx.methods import REFERENCE, find_method
    from susx.results import read_result
    from susx.results.axes import AXES, axes_of
    from susx.results.draw_figure import draw
    from susx.results.figures import KINDS, paper_figure
    from susx.results.paper_table import Layout
    from susx.store import write_atomically

    if kind not in KINDS:
        raise ConfigError(
            f"There is no kind '{kind}'.{did_you_mean(kind, KINDS)} Give one of {', '.join(KINDS)}."
        )
    if against is not None:
        find_method(against)
    layout = Layout(axes_of(rows), (), (AXES["access"],), tuple(where or ()), against=against or REFERENCE)
    drawn = paper_figure([read_result(run) for run in runs], kind, layout)
    try:
        write_atomically(out, draw(drawn, "html" if out.suffix.lower() == ".html" else "latex").encode())
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error}). Choose another file.") from error
    typer.echo(f"{out}: {drawn.caption}")


_INTERVALS: dict[str, Literal["pm", "range", "none"]] = {"pm": "pm", "range": "range", "none": "none"}


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
    from susx.report.method_tables import compare_rows, render_table

    if len(runs) < 2:
        raise ConfigError(f"Comparing needs at least two reports, found {len(runs)}. Name another folder.")
    runs_read = _read(runs)
    header, rows = compare_rows(runs_read)
    if form is not None:
        typer.echo(render_table(header, rows, _checked(form)), nl=False)
        return
    from susx.commands.console import escape, output
    from susx.commands.terminal_table import Column, print_table

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
    from susx.report.method_tables import FORMATS

    if form not in FORMATS:
        raise ConfigError(f"Unknown format '{form}'.{did_you_mean(form, FORMATS)}")
    return form
