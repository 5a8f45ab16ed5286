"""``susx status``: what a build would do, without doing it."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["status"]


def status(
    dataset: Annotated[str, typer.Option(help="Name in configs/datasets/, or the path of a YAML.")],
    mode: Annotated[str, typer.Option(help="retrieve, generate, or both joined by a comma.")] = "retrieve",
    profile: Annotated[str, typer.Option(help="Name in configs/profiles/, or the path of a YAML.")] = "demo",
    prompts: Annotated[str | None, typer.Option(help="photo, ensemble or cupl.")] = None,
    per_class: Annotated[int | None, typer.Option(help="Support images per class.")] = None,
    store: Annotated[
        str, typer.Option(help="Folder of the artefact store.", envvar="SUSX_STORE")
    ] = "susx-store",
    data_root: Annotated[
        str | None, typer.Option(help="Folder of the target's images.", envvar="SUSX_DATA")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Root seed.")] = None,
    set_: Annotated[
        list[str], typer.Option("--set", help="key=value with a dotted key of the profile.")
    ] = [],  # noqa: B006
    evaluate: Annotated[bool, typer.Option(help="Include the stages that measure.")] = True,
) -> None:
    """Say for each stage and class whether it is fresh, stale, missing or running, and which ingredient changed."""
    from susx.commands.build import build

    build(
        dataset,
        mode,
        profile,
        prompts,
        per_class,
        store,
        data_root,
        seed,
        set_,
        dry_run=True,
        evaluate=evaluate,
    )
