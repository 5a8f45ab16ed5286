"""The one walk through folders that people bring: which files lie below, in a fixed order, and what was passed over.

Links to files and folders are followed, as torchvision, timm and ``datasets`` follow them; a link back to a folder that the walk
is in ends there. Hidden entries and what systems leave in folders (macOS, Windows, Jupyter, network storage) are nobody's files.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from susx.errors import InputError

__all__ = ["FolderFiles", "files_below", "folders_in", "is_leftover"]

_LEFTOVERS = frozenset({
    "@eadir", "@tmp", "@recycle", "@recently-snapshot", "@transcode", "@__thumb", "#recycle", "#snapshot", "~snapshot",  # Synology, QNAP, NetApp
    "__macosx", "network trash folder", "temporary items", "icon\r",  # macOS
    "$recycle.bin", "recycler", "recycled", "system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini",  # Windows
    "lost+found", "__pycache__",
})  # fmt: skip
"""In small letters. What begins with a full stop (.ipynb_checkpoints, ._x.jpg, .Trash-1000) is hidden anyway."""

_LEFTOVER_ENDINGS = ("@synoeastream", "@synoresource")

HIDDEN, DEAD_LINK, CYCLE, CLOSED, SPECIAL = (
    "hidden or a system's leftover",
    "link to nothing",
    "link to a folder around it",
    "folder that may not be read",
    "no regular file",
)


@dataclass(frozen=True)
class FolderFiles:
    """Files below a folder, sorted by the parts of their paths.

    Attributes:
        folder: where the walk began; the files' paths begin with it, links are not resolved.
        files: of the wanted endings.
        passed_over: what -> entries that were not looked into (a hidden folder counts once), without files of other endings.
        endings: ending in small letters -> files that were left out for it.
    """

    folder: Path
    files: tuple[Path, ...]
    passed_over: Mapping[str, int] = field(default_factory=dict)
    endings: Mapping[str, int] = field(default_factory=dict)


def is_leftover(name: str) -> bool:
    """Whether an entry of this name is hidden or what a system left.

    >>> [is_leftover(name) for name in (".ipynb_checkpoints", "@eaDir", "__MACOSX", "Thumbs.db", "@home", "#1 cat")]
    [True, True, True, True, False, False]
    """
    lower = name.lower()
    return lower.startswith(".") or lower in _LEFTOVERS or lower.endswith(_LEFTOVER_ENDINGS)


def folders_in(folder: Path) -> list[Path]:
    """Return the folders that lie directly in a folder, sorted, links to folders among them; leftovers are left out.

    Raises:
        InputError: it cannot be listed.
    """
    return [Path(entry.path) for entry in _entries(folder) if not is_leftover(entry.name) and entry.is_dir()]


def files_below(folder: Path, endings: Collection[str] | None = None) -> FolderFiles:
    """Return the files below a folder.

    Args:
        folder: its own name may be a leftover's, and it may be a link: it was named on purpose.
        endings: wanted ones in small letters with their full stop, compared whatever the case; None: all.

    Raises:
        InputError: the folder cannot be listed.
    """
    entries = _entries(folder)
    passed_over: Counter[str] = Counter()
    others: Counter[str] = Counter()
    root = folder.resolve()
    # A link to a folder around the root would bring in everything beside the root.
    around = frozenset(filter(None, map(_identity, (root, *root.parents))))
    files = []
    for path in _walk(entries, around, passed_over):
        ending = path.suffix.lower()
        if endings is None or ending in endings:
            files.append(path)
        else:
            others[ending] += 1
    return FolderFiles(folder, tuple(files), dict(sorted(passed_over.items())), dict(sorted(others.items())))


def _walk(
    entries: list[os.DirEntry[str]], around: frozenset[tuple[int, int]], passed_over: Counter[str]
) -> Iterator[Path]:
    for entry in entries:
        if is_leftover(entry.name):
            passed_over[HIDDEN] += 1
            continue
        try:
            status = entry.stat()
        except OSError:
            passed_over[DEAD_LINK if entry.is_symlink() else CLOSED] += 1
            continue
        if stat.S_ISREG(status.st_mode):
            yield Path(entry.path)
        elif not stat.S_ISDIR(status.st_mode):
            passed_over[SPECIAL] += 1
        elif (here := (status.st_dev, status.st_ino)) in around:
            passed_over[CYCLE] += 1
        else:
            try:
                inside = _entries(Path(entry.path))
            except InputError:
                passed_over[CLOSED] += 1
                continue
            yield from _walk(inside, around | {here}, passed_over)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(
            f"The folder {folder} cannot be listed ({error.strerror or error}); expected a folder that you may read."
        ) from error


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
