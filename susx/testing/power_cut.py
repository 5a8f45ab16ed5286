"""What a power cut can leave of a folder, after the crash tests of SQLite and of Pillai et al. (OSDI 2014).

:class:`Watch` stands between a program and the file system: before every call that syncs or changes names it keeps
what is certain to be on the disk (data of files that were synced, names in folders that were synced) and what is
pending. From each such point :func:`images` draws disks: every pending change of a name is applied or dropped, the
data of every file that was not synced is there, missing, torn or zeroes.

A rename is one change. A file's data is looked at before each call, not byte by byte as it is written, so that writes
of C libraries are seen as well.
"""

from __future__ import annotations

import functools
import itertools
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

__all__ = ["CrashPoint", "Watch", "images"]

Entry = tuple[int, str]
"""A folder's number and a name in it."""

_CALLS = ("fsync", "replace", "rename", "unlink", "remove", "rmdir", "mkdir", "symlink")


@dataclass(frozen=True)
class CrashPoint:
    """The disk before one call.

    Attributes:
        label: the call, for people.
        names: (folder, name) -> number, on the disk for certain.
        pending: changes of names since, in order: pairs of entry and new number (None: gone); a rename is two pairs.
        synced: number -> data on the disk for certain.
        data: number -> data as programs see it; None for a folder, a text for a link.
    """

    label: str
    names: dict[Entry, int]
    pending: tuple[tuple[tuple[Entry, int | None], ...], ...]
    synced: dict[int, bytes]
    data: dict[int, bytes | str | None]


class Watch:
    """A context manager that notes every crash point below ``root``; what is there at the start is on the disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.points: list[CrashPoint] = []
        self._numbers = itertools.count(1)
        self._known: dict[int, int] = {root.stat().st_ino: 0}
        self._live: dict[Entry, int] = {}
        self._data: dict[int, bytes | str | None] = {}
        self._pending: list[tuple[tuple[Entry, int | None], ...]] = []
        self._scan()
        self._names, self._pending = dict(self._live), []
        self._synced = {n: data for n, data in self._data.items() if isinstance(data, bytes)}
        self._originals: dict[str, Callable[..., Any]] = {}

    def __enter__(self) -> Watch:
        for name in _CALLS:
            self._originals[name] = getattr(os, name)
            setattr(os, name, self._watched(name))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        for name, original in self._originals.items():
            setattr(os, name, original)
        self._note("the end")

    def _watched(self, name: str) -> Callable[..., Any]:
        original = self._originals[name]

        def call(*args: Any, **options: Any) -> Any:
            self._note(f"{name} {args[0]}")
            moved = None
            if name in ("replace", "rename") and not options:
                moved = self._entry(args[0]), self._entry(args[1])
            result = original(*args, **options)
            if name == "fsync":
                self._sync(os.fstat(args[0]).st_ino)
            elif moved is not None and moved[0] in self._live and moved[1] is not None:
                number = self._live.pop(moved[0])  # type: ignore[arg-type]
                self._live[moved[1]] = number
                self._pending.append(((moved[0], None), (moved[1], number)))  # type: ignore[arg-type]
            return result

        return call

    def _note(self, label: str) -> None:
        self._scan()
        self.points.append(
            CrashPoint(label, dict(self._names), tuple(self._pending), dict(self._synced), dict(self._data))
        )

    def _sync(self, inode: int) -> None:
        number = self._known.get(inode)
        if number is None:
            return
        data = self._data.get(number)
        if isinstance(data, bytes):
            self._synced[number] = data
        kept = []
        for change in self._pending:
            if change[-1][0][0] == number:  # a rename is on the disk with the folder it leads to
                _apply(self._names, change)
            else:
                kept.append(change)
        self._pending = kept

    def _entry(self, path: Any) -> Entry | None:
        path = Path(path).absolute()
        try:
            return self._known[path.parent.stat().st_ino], path.name
        except (KeyError, OSError):
            return None

    def _scan(self) -> None:
        """Bring names and data up to date with what programs see."""
        entries: dict[Entry, int] = {}
        inodes = {self.root.stat().st_ino: 0}
        waiting = [(self.root, 0)]
        self._data[0] = None
        while waiting:
            folder, at = waiting.pop()
            for item in sorted(os.scandir(folder), key=lambda item: item.name):
                inode = item.inode()
                number = inodes[inode] = self._known[inode] = self._known.get(inode) or next(self._numbers)
                entries[at, item.name] = number
                if item.is_symlink():
                    self._data[number] = os.readlink(item.path)
                elif item.is_dir():
                    self._data[number] = None
                    waiting.append((Path(item.path), number))
                else:
                    self._data[number] = Path(item.path).read_bytes()
        for entry in [entry for entry in self._live if entry not in entries]:
            self._pending.append(((entry, None),))
        for entry, number in entries.items():
            if self._live.get(entry) != number:
                self._pending.append(((entry, number),))
        self._live, self._known = entries, inodes


def _apply(names: dict[Entry, int], change: tuple[tuple[Entry, int | None], ...]) -> None:
    for entry, number in change:
        if number is None:
            names.pop(entry, None)
        else:
            names[entry] = number


Fate = Literal["there", "missing", "torn", "zeroes"]
_FATES: tuple[Fate, ...] = ("there", "missing", "torn", "zeroes")


def images(
    point: CrashPoint, target: Callable[[], Path], *, draws: int, rng: random.Random, seen: set[int]
) -> Iterator[tuple[str, Path]]:
    """Write the disks a power cut at ``point`` can leave, and return what was done to each and where it is.

    Args:
        target: returns an empty folder for each.
        draws: how many mixtures, beside the six in which all pending changes fare alike.
        seen: disks that were drawn before, here or at another point, are left out.
    """
    plans: list[tuple[str, float, tuple[Fate, ...]]] = [("nothing", 0, ("missing",))]
    plans += [(f"all names, data {fate}", 1, (fate,)) for fate in _FATES]
    plans.append(("no names, all data", 0, ("there",)))
    plans += [(f"mixture {number}", 0.6, _FATES) for number in range(draws)]
    for what, share, fates in plans:
        names = dict(point.names)
        for change in point.pending:
            if rng.random() < share:
                _apply(names, change)
        tree = sorted(_tree(point, names, 0, "", functools.partial(rng.choice, fates)))
        if hash(tuple(tree)) not in seen:
            seen.add(hash(tuple(tree)))
            folder = target()
            for path, data in tree:
                if data is None:
                    (folder / path).mkdir()
                elif isinstance(data, str):
                    (folder / path).symlink_to(data)
                else:
                    (folder / path).write_bytes(data)
            yield f"{what}, before {point.label}", folder


def _tree(
    point: CrashPoint, names: dict[Entry, int], folder: int, at: str, fate: Callable[[], Fate]
) -> Iterator[tuple[str, Any]]:
    for (parent, name), number in names.items():
        if parent != folder:
            continue
        path, data = f"{at}{name}", point.data[number]
        if isinstance(data, bytes) and point.synced.get(number) != data:
            before = point.synced.get(number, b"")
            how = fate()
            torn = data[: len(data) // 2] + before[len(data) // 2 :]
            data = {"there": data, "missing": before, "torn": torn, "zeroes": bytes(len(data))}[how]
        yield path, data
        if data is None:
            yield from _tree(point, names, number, f"{path}/", fate)
