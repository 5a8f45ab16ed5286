"""The command ``susx``. Each group of commands is a module in ``susx/commands``, imported when it is used."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import re
import sys
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

try:  # typer carries a click of its own since 0.25
    from typer._click import Command, Context
    from typer._click.exceptions import ClickException
except ImportError:  # pragma: no cover
    from click import ClickException, Command, Context  # type: ignore[assignment]

from susx.activity import Telling
from susx.children import protect_children
from susx.commands.effect import refuse_idle
from susx.commands.extras import LIGHT, require_build
from susx.commands.interruption import Ending
from susx.commands.once import refuse_repeats
from susx.errors import SusxError, is_full
from susx.home import ensure_home

__all__ = ["main", "run_command"]

COMMANDS: dict[str, tuple[str, str, str]] = {
    "build": (
        "susx.commands.build",
        "build",
        "Build a classifier from class names, measure it, write a report.",
    ),
    "status": (
        "susx.commands.status",
        "status",
        "Say which stages of a build are fresh, stale, missing or wait, and why.",
    ),
    "evaluate": ("susx.commands.evaluate", "evaluate", "Run the methods on files of features."),
    "experiment": (
        "susx.commands.experiment",
        "experiment",
        "Measure data sets x methods x access x shots from one YAML, cell by cell.",
    ),
    "encode": ("susx.commands.encode", "encode", "Encode a folder of images for susx evaluate."),
    "adapt": (
        "susx.commands.adapt",
        "adapt",
        "Train adapters of an encoder's visual blocks on labelled images.",
    ),
    "import-features": (
        "susx.commands.import_features",
        "import_features",
        "Convert other projects' feature caches.",
    ),
    "label": (
        "susx.commands.label",
        "app",
        "Label a folder of photographs by class names; review, audit and export the labels.",
    ),
    "predict": ("susx.commands.predict", "predict", "Classify images with a classifier that was built."),
    "generalise": (
        "susx.commands.generalise",
        "generalise",
        "Measure a classifier on other data sets of its classes.",
    ),
    "serve": ("susx.commands.serve", "serve", "Serve a classifier over HTTP."),
    "export": ("susx.commands.export", "export", "Export a classifier as ONNX or an open_clip head."),
    "push": ("susx.commands.hub", "push", "Push a classifier to the Hugging Face Hub."),
    "pull": ("susx.commands.hub", "pull", "Fetch a classifier from the Hugging Face Hub."),
    "datasets": ("susx.commands.datasets", "app", "List, check and make data sets."),
    "profiles": ("susx.commands.profiles", "app", "List profiles: encoder, image source, methods."),
    "prompts": ("susx.commands.prompts", "app", "Write and review sentences about classes."),
    "index": ("susx.commands.index", "app", "Build, serve and inspect retrieval indices."),
    "sources": (
        "susx.commands.sources",
        "sources",
        "List the sources of images, and whether each can be reached.",
    ),
    "support": ("susx.commands.support", "app", "Show and export support sets."),
    "report": ("susx.commands.report", "app", "Compare runs and print tables."),
    "store": ("susx.commands.store", "app", "List, verify and clean the artefact store."),
    "doctor": (
        "susx.commands.doctor",
        "doctor",
        "Check this environment and say what to do about each finding.",
    ),
}
"""Command -> (module, function or typer app, help shown before the module is imported)."""


class _LazyGroup(TyperGroup):
    """Imports a command's module only when the command is used: ``susx --help`` needs no torch."""

    _listing = False

    def format_commands(self, ctx: Context, formatter: Any) -> None:
        """Write the list of commands without importing them."""
        self._listing = True
        try:
            super().format_commands(ctx, formatter)
        finally:
            self._listing = False

    def list_commands(self, ctx: Context) -> list[str]:
        """Return the commands whose modules are there."""
        return [name for name, (module, _, _) in COMMANDS.items() if importlib.util.find_spec(module)]

    def get_command(self, ctx: Context, name: str) -> Command | None:
        """Return a command; while help is listed, a stand-in that knows its text."""
        if name not in COMMANDS:
            return None
        module, attribute, text = COMMANDS[name]
        if self._listing:
            return TyperCommand(name, short_help=text, help=text)
        if name not in LIGHT:
            require_build(f"susx {name}")
        loaded: Any = getattr(importlib.import_module(module), attribute)
        if not isinstance(loaded, typer.Typer):
            single = typer.Typer(add_completion=False, rich_markup_mode=None)
            single.command(name, help=loaded.__doc__)(loaded)
            loaded = single
        command = typer.main.get_command(loaded)
        command.name = name
        refuse_repeats(command)
        refuse_idle(command, name)
        return command


app = typer.Typer(cls=_LazyGroup, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


def _version(asked: bool | None) -> None:
    if asked:
        import importlib.metadata

        typer.echo(f"susx {importlib.metadata.version('susx')}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool | None = typer.Option(
        None, "--version", help="Print the version and end.", is_eager=True, callback=_version
    ),
) -> None:
    """Name-only image classification: from class names to a classifier and a report."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a refusal is one paragraph on standard error and exit code 2."""
    protect_children()
    ensure_home()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # a lone surrogate in a file's name or caption is no traceback
    ending = Ending()
    try:
        with ending, Telling(_tell, _command(arguments), bars=sys.stderr.isatty()):
            code = _run(arguments)
    except KeyboardInterrupt:
        code = ending.exit_code
    if ending.asked:
        # Whatever came of the signal on its way here.
        ending.tell()
        code = ending.exit_code
    if code:
        sys.exit(code)


def _run(arguments: list[str] | None) -> int:
    try:
        code = app(args=arguments, standalone_mode=False)
        return code if isinstance(code, int) else 0  # what typer.Exit asked for
    except SusxError as error:
        _say(str(error))
        return error.exit_code
    except typer.Abort:
        raise KeyboardInterrupt from None
    except typer.Exit as ended:
        return ended.exit_code
    except ClickException as error:
        error.show()
        return error.exit_code
    except Exception as error:
        if not is_full(error):
            raise
        where = getattr(error, "filename", None)
        _say(
            f"The disk is full{f' at {where}' if where else ''}: {' '.join(str(error).split())[:200]}. Free some space and run the same "
            "command again; what it had not finished is not there."
        )
        return SusxError.exit_code


def run_command(name: str) -> None:
    """Run one command with this process's arguments (``python -m susx.flows.build ...``)."""
    main([name, *sys.argv[1:]])


def _command(arguments: list[str] | None) -> str:
    """Return what people call the command of a command line."""
    first = next(iter(sys.argv[1:] if arguments is None else arguments), "")
    return f"susx {first}" if re.fullmatch("[a-z][a-z-]*", first) else "susx"


def _tell(line: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
        print(_printable(line), file=sys.stderr, flush=True)


def _say(text: str) -> None:
    from rich.console import Console

    Console(stderr=True, highlight=False, soft_wrap=False).print(f"[bold red]susx:[/] {_plain(text)}")


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(_printable(text))


def _printable(text: str) -> str:
    from susx.printable import for_terminal

    return for_terminal(text)
