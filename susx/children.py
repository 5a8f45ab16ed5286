"""The environment of every process that susx starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

__all__ = ["child_environment", "protect_children"]

_ROOT = Path(__file__).resolve().parents[1]


def child_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment for a child that looks for modules where this one does, and nowhere else.

    Without ``PYTHONSAFEPATH`` Python puts the current folder (``-m``, ``-c``) or the script's before its own library:
    a file called ``queue.py`` or ``html.py`` there would be executed. Where susx itself was found through the current
    folder, its place goes on ``PYTHONPATH``.
    """
    environment = {**os.environ, "PYTHONSAFEPATH": "1", **(more or {})}
    places = [place for place in environment.get("PYTHONPATH", "").split(os.pathsep) if place]
    # Not site-packages: on PYTHONPATH it would come before the standard library, and backports there hide modules.
    if _ROOT.name not in {"site-packages", "dist-packages"} and str(_ROOT) not in places:
        places.append(str(_ROOT))
    if places:
        environment["PYTHONPATH"] = os.pathsep.join(os.path.abspath(place) for place in places)
    return environment


def protect_children() -> None:
    """Give that environment to the children that libraries start too (spawned workers, Ray, downloaders)."""
    os.environ.update(child_environment())
