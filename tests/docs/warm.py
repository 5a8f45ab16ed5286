"""What one test session makes once for all its pages, in all of its processes: a reader's belongings, and artefacts of finished builds.

An artefact is known by the content of what determines it, so a page that is lent those of the pages before finds what it
would have made. README's page is lent nothing: it is the newcomer's, from nothing.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

__all__ = ["keep", "lend", "made_once"]

_SESSION = Path(os.environ["SUSX_TEST_SESSION"])
_WARM = _SESSION / "warm"


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder of the session, filled by ``make`` where no process has done it yet."""
    folder = _SESSION / name
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            partial = folder.with_name(f"{name}.part")
            partial.mkdir(parents=True)
            make(partial)
            partial.rename(folder)
    return folder


def lend(store: Path) -> None:
    """Put the artefacts that pages made so far into an empty store, as links: an artefact's files are never written again."""
    for artefact in _artefacts(_WARM):
        _link(artefact, store / "artefacts" / artefact.relative_to(_WARM / "artefacts"))


def keep(store: Path) -> None:
    """Take the artefacts of a page's store for the pages after it."""
    for artefact in _artefacts(store):
        target = _WARM / "artefacts" / artefact.relative_to(store / "artefacts")
        if target.exists():
            continue
        partial = _WARM / "part" / uuid.uuid4().hex
        _link(artefact, partial)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.rename(target)
        except OSError:  # the other process was first
            shutil.rmtree(partial)


def _artefacts(store: Path) -> list[Path]:
    return [path.parent for path in store.glob("artefacts/*/*/*/manifest.json")]


def _link(folder: Path, target: Path) -> None:
    shutil.copytree(folder, target, copy_function=os.link)
