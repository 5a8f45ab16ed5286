"""``susx build``: the main job."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from susx.commands.build_options import command_parameters
from susx.commands.endings import JsonFile
from susx.pipeline.options import BuildOptions, with_parameters

__all__ = ["build", "say_what_is_stale"]


@with_parameters(command_parameters())
def build(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is stale and why; run nothing.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try links again that timed out, were limited or the like.")
    ] = False,
    record: Annotated[
        bool, typer.Option("--record", help="Make a Prefect flow run even if nothing is stale.")
    ] = False,
    runner: Annotated[str, typer.Option(help="Where tasks run: local, processes or ray.")] = "local",
    ray_address: Annotated[
        str | None, typer.Option(help="Ray cluster, as host:6379; this machine when not given.")
    ] = None,
    callback: Annotated[
        str | None,
        typer.Option(
            help="package.module:function called with the summary; susx.tracking:wandb, susx.tracking:mlflow."
        ),
    ] = None,
    json_file: JsonFile = None,
    **chosen: Any,
) -> None:
    """Build a support set for a list of class names, fit TIP-X and its peers, measure them, and write a report."""
    options = BuildOptions(**{**chosen, "settings": tuple(chosen["settings"])})
    if dry_run:
        say_what_is_stale(options, json_file)
        return
    from susx.commands.console import output, print_banner, print_summary, write_json
    from susx.flows.local import run_plan
    from susx.pipeline.plan import plan_build
    from susx.store import open_store
    from susx.tracking import load_callback, notify

    told = None if callback is None else load_callback(callback)
    plan = plan_build(options)
    console = output(json_file)
    print_banner(console, plan)
    store = open_store(options.store)
    store.check_writable()
    if retry_failed:
        from susx.pipeline.retry import forget_passing_failures

        console.print(f"{forget_passing_failures(plan, store)} links are tried again.")
    summary = run_plan(plan, store, console, record=record, runner=runner, ray_address=ray_address)
    print_summary(console, summary)
    write_json(json_file, summary)
    if told is not None:
        notify(told, summary)


def say_what_is_stale(options: BuildOptions, json_file: str | None = None) -> None:
    """Print what a build would do, without doing it."""
    from susx.commands.console import output, print_banner, print_plan, write_json
    from susx.pipeline.executors import PlanExecutor
    from susx.pipeline.graph import build as walk
    from susx.pipeline.plan import plan_build
    from susx.store import open_store

    plan = plan_build(options)
    console = output(json_file)
    print_banner(console, plan)
    executor = PlanExecutor(open_store(options.store))
    walk(plan, executor)
    print_plan(console, executor.planned)
    write_json(
        json_file,
        [
            {"stage": e.job.stage, "subject": e.job.subject, "state": e.state, "reasons": list(e.reasons)}
            for e in executor.planned
        ],
    )
