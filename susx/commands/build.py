"""``susx build``: the main job."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["build"]


def build(
    dataset: Annotated[str, typer.Option(help="Name in configs/datasets/, or the path of a YAML.")],
    mode: Annotated[str, typer.Option(help="retrieve, generate, or both joined by a comma.")] = "retrieve",
    profile: Annotated[str, typer.Option(help="Name in configs/profiles/, or the path of a YAML.")] = "demo",
    prompts: Annotated[
        str | None, typer.Option(help="photo, ensemble or cupl; the profile's own when not given.")
    ] = None,
    per_class: Annotated[int | None, typer.Option(help="Support images per class.")] = None,
    store: Annotated[
        str, typer.Option(help="Folder of the artefact store, or s3://bucket/prefix.", envvar="SUSX_STORE")
    ] = "susx-store",
    data_root: Annotated[
        str | None, typer.Option(help="Folder that holds the target's images.", envvar="SUSX_DATA")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Root seed.")] = None,
    set_: Annotated[
        list[str], typer.Option("--set", help="key=value with a dotted key of the profile; repeatable.")
    ] = [],  # noqa: B006
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is stale and why; run nothing.")
    ] = False,
    evaluate: Annotated[bool, typer.Option(help="Measure on the test split where it is there.")] = True,
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
) -> None:
    """Build a support set for a list of class names, fit TIP-X and its peers, measure them, and write a report."""
    from susx.commands.console import output, print_banner, print_plan, print_summary
    from susx.stages.plan import BuildOptions, plan_build
    from susx.store import open_store

    options = BuildOptions(
        dataset, mode, profile, prompts, per_class, store, data_root, seed, tuple(set_), evaluate
    )
    plan = plan_build(options)
    console = output()
    print_banner(console, plan)
    if dry_run:
        from susx.stages.executors import PlanExecutor
        from susx.stages.graph import build as walk

        executor = PlanExecutor(open_store(store))
        walk(plan, executor)
        print_plan(console, executor.planned)
        return
    opened = open_store(store)
    opened.check_writable()
    if retry_failed:
        from susx.stages.retry import forget_passing_failures

        console.print(f"{forget_passing_failures(plan, opened)} links are tried again.")
    from susx.flows.local import run_plan

    print_summary(
        console, run_plan(plan, opened, console, record=record, runner=runner, ray_address=ray_address)
    )
