"""A function of one's own that is called with a finished build's summary."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from susx.errors import ConfigError, SusxError

__all__ = ["Callback", "load_callback", "notify"]

Callback: TypeAlias = Callable[[Mapping[str, Any]], object]
"""Takes what ``susx build --json`` writes: data set, profile, command, methods with accuracies and intervals, stages, paths."""


def load_callback(name: str) -> Callback:
    """Return the function that ``package.module:function`` names, looked up before a build begins.

    Raises:
        ConfigError: no such module or function, or one that cannot be called.
    """
    module, colon, function = name.partition(":")
    if not (module and colon and function):
        raise ConfigError(
            f"--callback is package.module:function, as in susx.tracking:wandb; found '{name}'."
        )
    try:
        callback = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"The callback '{name}' cannot be imported: {error}.") from error
    if not callable(callback):
        raise ConfigError(f"The callback '{name}' is no function but {type(callback).__name__}.")
    return callback  # type: ignore[no-any-return]


def notify(callback: Callback, summary: Mapping[str, Any]) -> None:
    """Call a callback with a summary.

    Raises:
        SusxError: it failed; the build itself is finished and stays.
    """
    try:
        callback(summary)
    except Exception as error:
        name = getattr(callback, "__name__", repr(callback))
        raise SusxError(
            f"The build is finished ({summary['report']}), but its callback '{name}' failed: {type(error).__name__}: {error}. "
            "Mend it and run the same command again: nothing is computed twice."
        ) from error
