"""The options of a build as those of a command."""

from __future__ import annotations

import inspect
from typing import Annotated

import typer

from susx.pipeline.options import build_options

__all__ = ["command_parameters"]


def command_parameters() -> list[inspect.Parameter]:
    """Return one parameter for typer per option of a build."""
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=list(default) if isinstance(default, tuple) else default,
            annotation=Annotated[
                list[str] if isinstance(default, tuple) else kind,
                typer.Option(
                    *([option.flag] if option.flag else []), help=option.help, envvar=option.variable
                ),
            ],
        )
        for name, kind, option, default in build_options()
    ]
