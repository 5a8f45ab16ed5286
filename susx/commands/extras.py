"""What a command needs beyond the light installation, said in one line before anything is imported."""

from __future__ import annotations

import importlib.util

from susx.errors import ConfigError

__all__ = ["LIGHT", "require_build"]

LIGHT = frozenset({"predict", "serve", "label", "push", "pull"})
"""Commands that work on bundles with the light installation; they ask for more themselves where they are given something else."""

_BUILD = ("torch", "open_clip", "pandas", "prefect")
"""Modules that tell whether the extra ``build`` is installed."""


def require_build(what: str, otherwise: str = "") -> None:
    """Refuse what needs the extra ``build`` where it is not installed; nothing is imported.

    Args:
        what: begins the sentence, as "susx build".
        otherwise: a sentence on what works without.

    Raises:
        ConfigError: says what is missing and how to install it.
    """
    missing = [name for name in _BUILD if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"{what} needs libraries that are not installed ({', '.join(missing)}): pip install 'susx[build]'."
            f"{f' {otherwise}' if otherwise else ''}"
        )
