"""``susx status``: what a build would do, without doing it."""

from __future__ import annotations

from typing import Any

from susx.commands.build import say_what_is_stale
from susx.commands.build_options import command_parameters
from susx.commands.endings import JsonFile
from susx.pipeline.options import BuildOptions, with_parameters

__all__ = ["status"]


@with_parameters(command_parameters())
def status(json_file: JsonFile = None, **chosen: Any) -> None:
    """Say for each stage and class whether it is fresh, stale, missing, running or waits, and which ingredient changed."""
    say_what_is_stale(BuildOptions(**{**chosen, "settings": tuple(chosen["settings"])}), json_file)
