"""``susx experiment FILE.yaml``: data sets x methods x access x shots x draws, cell by cell, into one result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from susx.commands.endings import JsonFile, a_folder
from susx.pipeline.options import STORE

if TYPE_CHECKING:
    from rich.console import Console

    from susx.results import Result

__all__ = ["experiment"]


def experiment(
    file: Annotated[Path, typer.Argument(help="YAML of the experiment.")],
    out: Annotated[
        Path, typer.Option(help="Folder of the result; a result there is replaced.", callback=a_folder)
    ] = Path("result"),
    store: Annotated[str, typer.Option(envvar="SUSX_STORE", help="Folder of the artefact store.")] = STORE,
    runner: Annotated[str, typer.Option(help="Where cells are measured: local, processes, ray.")] = "local",
    ray_address: Annotated[
        str | None, typer.Option(help="Ray cluster, as host:6379; without, this machine.")
    ] = None,
    device: Annotated[str, typer.Option(help="Where methods train: auto, cpu, cuda ...")] = "auto",
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Measure the cells again that failed before.")
    ] = False,
    json_file: JsonFile = None,
) -> None:
    """Measure every cell of an experiment that the store does not know, and write one folder: rows, per-image predictions and
    logits, the experiment as resolved, digests of all inputs.

    A cell that fails is a row with its reason. After an interruption run the same command: finished cells are kept.
    Tables and figures: susx report table RESULT, susx report figure RESULT.
    """
    from susx.commands.console import output, write_json
    from susx.device import find_device
    from susx.flows.local_experiment import run_local_experiment
    from susx.pipeline.experiment_graph import measured_anew, plan_experiment
    from susx.pipeline.experiment_result import finish_experiment
    from susx.results.facts import command_line
    from susx.results.format import as_json
    from susx.results.result_files import check_out
    from susx.store import open_store

    check_out(out)
    console, opened = output(json_file), open_store(store)
    opened.check_writable()
    planned = plan_experiment(file, command=command_line(), device=find_device(device))

    measured = measured_anew(
        lambda: run_local_experiment(planned, opened, console, runner=runner, ray_address=ray_address),
        opened, retry_failed=retry_failed,
    )  # fmt: skip
    result = finish_experiment(planned, measured, opened, out)
    _print(result, console, out)
    write_json(json_file, as_json(result))
    if result.rows and all(row.reason for row in result.rows):
        raise typer.Exit(2)


def _print(result: Result, console: Console, out: Path) -> None:
    from susx.commands.console import escape

    failures: dict[str, int] = {}
    for row in result.rows:
        if row.reason:
            failures[row.reason] = failures.get(row.reason, 0) + 1
    for reason, count in failures.items():
        console.print(
            f"[yellow]{count} {'cell' if count == 1 else 'cells'} failed: {escape(reason)}[/]", soft_wrap=True
        )
    measured = len(result.rows) - sum(failures.values())
    console.print(
        f"{measured} of {len(result.rows)} cells measured. Result: [bold]{escape(str(out))}[/]",
        soft_wrap=True,
    )
