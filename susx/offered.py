"""What installed packages offer beside susx's own: entry points, by name."""

from __future__ import annotations

from collections.abc import Collection
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from susx.errors import ConfigError

__all__ = ["load_offered", "offered"]


def offered(group: str, taken: Collection[str], what: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name, none of them loaded.

    Args:
        group: such as ``susx.methods``.
        taken: names that are susx's own.
        what: a word for such a thing, for messages.

    Raises:
        ConfigError: one has a name that is taken, or two have the same.
    """
    entries: dict[str, EntryPoint] = {}
    for entry in entry_points(group=group):
        if entry.name in taken or entry.name in entries:
            raise ConfigError(
                f"The entry point '{entry.name}' of {group} ({entry.value}) has the name of a known {what}; rename it."
            )
        entries[entry.name] = entry
    return entries


def load_offered(entry: EntryPoint) -> Any:
    """Return what an entry point names.

    Raises:
        ConfigError: it is not there, or fails when it is imported.
    """
    try:
        return entry.load()
    except Exception as error:  # the module of another package may raise anything
        raise ConfigError(
            f"The entry point '{entry.name}' of {entry.group} ({entry.value}) cannot be loaded: {type(error).__name__}: {error}. "
            "Correct or uninstall the package that offers it."
        ) from error
