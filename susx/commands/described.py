"""What the folders of descriptions hold, for the commands that list them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import typer

from susx.config import config_names, find_config
from susx.errors import ConfigError

__all__ = ["described"]

C = TypeVar("C")


def described(kind: str, load: Callable[[str], C]) -> list[tuple[Path, C]]:
    """Return file and configuration of every known name; one that cannot be used costs a line on stderr.

    ``./configs`` may be another program's, so that what lies there is no reason to list nothing.
    """
    listed = []
    for name in config_names(kind):
        try:
            listed.append((find_config(kind, name).absolute(), load(name)))
        except ConfigError as error:
            typer.echo(f"left out: {error}", err=True)
    return listed
