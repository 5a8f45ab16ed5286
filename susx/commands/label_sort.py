"""``susx label sort RESULT --copy-to DIR``: a folder per class; a dry run until ``--yes``, and a list to take it back by."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from susx.commands.shared_options import Least
from susx.errors import ConfigError
from susx.printable import for_terminal

if TYPE_CHECKING:
    from susx.labelling import LabelResult

__all__ = ["sort", "sort_into", "target_of"]

_NAMED = 5

CopyTo = Annotated[
    Path | None, typer.Option("--copy-to", help="Copy images into a folder per class below this one.")
]
LinkTo = Annotated[
    Path | None, typer.Option("--link-to", help="Link images into a folder per class below this one.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without, only what would be done is said.")]


def sort(
    result: Annotated[
        Path | None, typer.Argument(help="Folder that 'susx label FOLDER --out RESULT' wrote.")
    ] = None,
    copy_to: CopyTo = None,
    link_to: LinkTo = None,
    least: Least = 0.0,
    undo: Annotated[
        Path | None, typer.Option("--undo", help="Take back what this list (sorted-....jsonl) says was made.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Sort the images of a labelled folder into a folder per class. The photographs stay as they are, nothing is written over."""
    from susx.labelling import LabelResult
    from susx.labelling.corrected import as_corrected

    if undo is not None:
        if result is not None or copy_to is not None or link_to is not None or least:
            raise ConfigError("--undo takes a list alone: susx label sort --undo sorted-....jsonl --yes.")
        _take_back(undo, yes=yes)
        return
    if result is None:
        raise ConfigError("Give the folder of a result: susx label sort RESULT --copy-to DIR.")
    target = target_of(copy_to, link_to)
    if target is None:
        raise ConfigError("Give --copy-to DIR or --link-to DIR.")
    sort_into(as_corrected(LabelResult.read(result)), copy_to, link_to, least=least, yes=yes)


def target_of(copy_to: Path | None, link_to: Path | None) -> Path | None:
    """Return the folder that was given, None where none was.

    Raises:
        ConfigError: both were given.
    """
    if copy_to is not None and link_to is not None:
        raise ConfigError(
            "--copy-to and --link-to were both given; images are copied or linked, not both at once."
        )
    return copy_to if copy_to is not None else link_to


def sort_into(
    result: LabelResult, copy_to: Path | None, link_to: Path | None, *, least: float, yes: bool
) -> None:
    """Sort, or say what sorting would do."""
    from susx.labelling.sort import carry_out, plan_sorting

    target = target_of(copy_to, link_to)
    assert target is not None
    how = "copy" if copy_to is not None else "link"
    moves = plan_sorting(result, target, how, least=least)  # type: ignore[arg-type]
    new = [move for move in moves if not move.there]
    there = f", {len(moves) - len(new)} are there already" if len(new) < len(moves) else ""
    verb = {"copy": "copied", "link": "linked"}[how]
    if not yes:
        for name, count in Counter(move.target.parent.name for move in new).most_common():
            typer.echo(f"{count:>7}  {for_terminal(name)}/")
        typer.echo(
            f"{len(new)} images would be {verb} into {for_terminal(str(target))}{there}. Nothing was done: add --yes."
        )
        return
    undo, failed = carry_out(moves, target, how)  # type: ignore[arg-type]
    typer.echo(f"{len(new) - len(failed)} images were {verb} into {for_terminal(str(target))}{there}.")
    _say(failed)
    if undo is not None:
        typer.echo(f"To take it back: susx label sort --undo {for_terminal(str(undo))} --yes")


def _take_back(undo: Path, *, yes: bool) -> None:
    from susx.labelling.sort import take_back

    gone, left = take_back(undo, really=yes)
    typer.echo(
        f"{gone} files {'were' if yes else 'would be'} removed.{'' if yes else ' Nothing was done: add --yes.'}"
    )
    _say(left)


def _say(reasons: list[str]) -> None:
    for reason in reasons[:_NAMED]:
        typer.echo(for_terminal(reason), err=True)
    if len(reasons) > _NAMED:
        typer.echo(f"... and {len(reasons) - _NAMED} more", err=True)
