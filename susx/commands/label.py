"""``susx label FOLDER``, and what is done with its result: ``susx label review | audit | export | sort RESULT``."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from susx.commands.extras import require_build
from susx.commands.label_sort import CopyTo, LinkTo, Yes, sort_into, target_of
from susx.commands.label_summary import plain, print_summary
from susx.commands.runtime import BundleFolder
from susx.errors import ConfigError
from susx.pipeline.options import STORE

if TYPE_CHECKING:
    from susx.pipeline.label_plan import LabelPlan
    from susx.pipeline.stage import Stage
    from susx.store import ArtefactStore, Job, Ref

__all__ = ["app", "label", "names_of"]

_FOLDER = "folder"
"""What ``susx label FOLDER`` is called among the others; nobody writes it."""

_OTHERS: dict[str, tuple[str, str]] = {
    "review": ("susx.commands.label_review", "review"),
    "audit": ("susx.commands.label_audit", "audit"),
    "export": ("susx.commands.label_export", "export"),
    "sort": ("susx.commands.label_sort", "sort"),
}
"""Command -> (module, function), imported when it is used."""


def _with_command(args: list[str]) -> list[str]:
    return [_FOLDER, *args] if args and args[0] not in {*_OTHERS, _FOLDER, "--help"} else args


class _FolderOr(TyperGroup):
    """``susx label`` takes a folder, or one of its commands; a folder of such a name is written as ``./review``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _with_command(args))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        return super().resolve_command(ctx, _with_command(args))

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for name, (module, _) in _OTHERS.items() if importlib.util.find_spec(module)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        function: Any = label
        if cmd_name in _OTHERS and importlib.util.find_spec(_OTHERS[cmd_name][0]):
            require_build(f"susx label {cmd_name}")
            module, name = _OTHERS[cmd_name]
            function = getattr(importlib.import_module(module), name)
        elif cmd_name != _FOLDER:
            return None
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(cmd_name, help=function.__doc__)(function)
        command = typer.main.get_command(single)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=_FolderOr, no_args_is_help=True, add_completion=False, rich_markup_mode=None,
    help="Label a folder of photographs: susx label FOLDER --classes names.txt --out RESULT (susx label folder --help).",
)  # fmt: skip


@app.callback()
def _root() -> None:
    """Label a folder of photographs: susx label FOLDER --classes names.txt --out RESULT (susx label folder --help)."""


def label(
    folder: Annotated[Path, typer.Argument(help="Folder of photographs, at any depth.")],
    classes: Annotated[
        str | None,
        typer.Option("--classes", help="File with a class name a line, or a data set's YAML or name."),
    ] = None,
    names: Annotated[
        str | None, typer.Option("--names", help='The class names themselves: "cat, dog, bird".')
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder of the result; made if need be.")] = Path(
        "labels"
    ),
    profile: Annotated[str, typer.Option(help="Name in configs/profiles/, or the path of a YAML.")] = "demo",
    pool: Annotated[
        Path | None, typer.Option(help="Folder of an index of any photographs, or one with features.npy.")
    ] = None,
    no_pool: Annotated[bool, typer.Option("--no-pool", help="Leave the profile's pool aside.")] = False,
    corrections: Annotated[
        Path | None, typer.Option(help="CSV of what people said; the result's own when not given.")
    ] = None,
    prompts: Annotated[
        str | None, typer.Option(help="Sentences of the classes: photo, ensemble or cupl.")
    ] = None,
    store: Annotated[str, typer.Option(envvar="SUSX_STORE", help="Folder of the artefact store.")] = STORE,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="key=value with a dotted key of the profile; repeatable."),
    ] = None,
    copy_to: CopyTo = None,
    link_to: LinkTo = None,
    yes: Yes = False,
    report: Annotated[bool, typer.Option(help="Write report.html, the page with pictures.")] = True,
    bundle: BundleFolder = None,
) -> None:
    """Label a folder of photographs. Photographs are encoded once: a second run, other names and corrections take seconds. With --bundle the classes are the bundle's, no torch is needed, and nothing is kept between runs."""
    if bundle is not None:
        from susx.commands.label_bundle import label_by_bundle

        label_by_bundle(bundle, folder, out, corrections, report=report)
        return
    require_build("susx label", "With a bundle (--bundle DIR) it needs none of them.")
    from susx.commands.console import output
    from susx.pipeline.label_graph import label_folder
    from susx.pipeline.label_options import LabelOptions
    from susx.pipeline.label_plan import plan_label
    from susx.store import open_store

    options = LabelOptions(
        str(folder), classes or "", names_of(names), str(out), profile, str(pool) if pool else None, no_pool,
        str(corrections) if corrections else None, prompts, store, tuple(settings or ()),
    )  # fmt: skip
    target = target_of(copy_to, link_to)
    if yes and target is None:
        raise ConfigError(
            "--yes has no effect without --copy-to DIR or --link-to DIR. Leave it out, or give one of them."
        )
    opened = open_store(store)
    opened.check_writable()
    console = output()
    plan = plan_label(options, opened)
    _banner(console, plan)
    result = label_folder(plan, _Showing(opened, console)).write(plan.out)
    columns = {name: result.frame[name].to_numpy() for name in ("label", "probability", "by_person", "group")}
    print_summary(console, result.record, columns, result.folder)
    if report:
        from susx.labelling.label_report import write_page

        page = write_page(result)
        console.print(f"Report: [bold]{plain(page)}[/]", soft_wrap=True)
    if target is not None:
        sort_into(result, copy_to, link_to, least=0.0, yes=yes)


def names_of(text: str | None) -> tuple[str, ...]:
    """Return the names of a list with commas.

    Raises:
        ConfigError: there is none.
    """
    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise ConfigError('--names holds no name; write them with commas: --names "cat, dog".')
    return names


class _Showing:
    """Carries out jobs one after the other in this process, with a bar for each stage in a terminal."""

    def __init__(self, store: ArtefactStore, console: Console) -> None:
        from susx.pipeline.executors import InlineExecutor

        self.store = store
        self.inline = InlineExecutor(store)
        self.console = console

    def account(self) -> list[Any]:
        return self.inline.account()

    def run(self, stage: Stage, jobs: Sequence[Job]) -> list[Ref]:
        from susx.flows.progress import bar

        if not self.console.is_terminal:
            return self.inline.run(stage, jobs)
        refs = []
        with bar(self.console, stage.title, len(jobs)) as advance:
            for job in jobs:
                refs += self.inline.run(stage, [job])
                advance(1)
        return refs


def _banner(console: Console, plan: LabelPlan) -> None:
    from susx.commands.console import print_toy

    build, folder = plan.build, plan.folder
    console.print(
        f"[bold]susx[/] label {plain(folder.path)}: {len(folder.photos)} photographs, {len(build.classes)} classes, profile "
        f"{plain(build.profile.name)}, {f'pool {plain(plan.pool)}' if plan.pool else 'no pool'}",
        soft_wrap=True,
    )  # fmt: skip
    print_toy(console, build)
    for note in build.notes:
        console.print(f"[yellow]{plain(note)}[/]", soft_wrap=True)
