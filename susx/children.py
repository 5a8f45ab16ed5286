"""The environment of every process that susx starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

__all__ = ["child_environment", "protect_children", "without_main_module"]

_ROOT = Path(__file__).resolve().parents[1]


def child_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment for a child that looks for modules where this one does, and nowhere else.

    Without ``PYTHONSAFEPATH`` Python puts the current folder (``-m``, ``-c``) or the script's before its own library:
    a file called ``queue.py`` or ``html.py`` there would be executed. Where susx itself was found through the current
    folder, its place goes on ``PYTHONPATH``.
    """
    environment = {**os.environ, "PYTHONSAFEPATH": "1", **(more or {})}
    places = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    # Not site-packages: on PYTHONPATH it would come before the standard library, and backports there hide modules.
    if _ROOT.name not in {"site-packages", "dist-packages"} and str(_ROOT) not in places:
        places.append(str(_ROOT))
    if places:
        environment["PYTHONPATH"] = os.pathsep.join(os.path.abspath(path) for path in places)
    return environment


def protect_children() -> None:
    """Give that environment to the children that libraries start too (spawned workers, Ray, downloaders)."""
    os.environ.update(child_environment())


@contextmanager
def without_main_module() -> Iterator[None]:
    """Let processes that are spawned meanwhile import what they are asked to do, and not the user's script.

    A spawned process runs the script of its parent again, as a module: without ``if __name__ == "__main__":`` around it, it
    would build again, and wait for a lock that its parent holds.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
