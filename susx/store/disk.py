"""Files that a power cut leaves whole, and what is known of a file without reading it.

A rename is safe only when what it shows was on the disk before: data, then the folders that name it, then the rename,
then the folder it happened in (fsync of each). What was seen of a file is a fact of one boot: after a power cut blocks
may be zeroes behind unchanged size and times.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from susx.modes import plain_mode
from susx.store.fingerprint import SETTLE_NS

__all__ = [
    "Facts",
    "boot",
    "facts_of",
    "folder_size",
    "listed",
    "make_folder",
    "move",
    "newest",
    "read_json",
    "settled",
    "sync_folder",
    "sync_tree",
    "whole_file",
    "whole_folder",
    "write_atomically",
]

Facts = list[int]
"""Size, mtime, ctime (ns) and inode."""


@functools.cache
def boot() -> str:
    """Return what tells this boot of the machine from all others."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        import psutil

        return f"since {psutil.boot_time():.0f}"


def facts_of(path: Path) -> Facts:
    """Return what changes when a file is written, without reading it."""
    stat = os.stat(path)
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def settled(facts: Facts) -> bool:
    """Whether a file was left alone for long enough that another change would show in its ctime."""
    return time.time_ns() - facts[2] > SETTLE_NS


def newest(folder: Path) -> float:
    """Return the latest mtime of a folder and all that is in it, in seconds; minus infinity where it is gone."""
    times = []
    for path in (folder, *_below(folder)):
        with contextlib.suppress(OSError):
            times.append(path.stat().st_mtime)
    return max(times, default=float("-inf"))


def folder_size(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    size = 0
    for path in _below(folder):
        with contextlib.suppress(OSError):  # one that goes while the others are counted
            size += path.stat().st_size if path.is_file() else 0
    return size


def _below(folder: Path) -> Iterator[Path]:
    """Yield what is in a folder at any depth; ``rglob`` raises where a builder or gc takes a folder away meanwhile."""
    for parent, folders, files in os.walk(folder):
        yield from (Path(parent, name) for name in (*folders, *files))


def listed(folder: Path) -> list[Path]:
    """Return what is in a folder in order; nothing where it is gone or never was."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def read_json(path: Path) -> Any:
    """Return what a JSON file holds; None where it is missing or torn."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def sync_tree(folder: Path, names: Iterable[str]) -> None:
    """Put files below a folder on the disk, and the folders that lead to them."""
    files = [folder / name for name in names]
    folders = {parent for path in files for parent in path.parents if parent.is_relative_to(folder)}
    with ThreadPoolExecutor(8 if len(files) > 8 else 1) as pool:  # a disk takes many flushes as one
        list(pool.map(sync_folder, files))
    for parent in sorted(folders | {folder}, reverse=True):
        sync_folder(parent)


def make_folder(folder: Path) -> None:
    """Make a folder with its parents, and put their names on the disk."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def move(source: Path, target: Path) -> None:
    """Rename a file or folder to a place where there is none; on the disk when this returns."""
    make_folder(target.parent)
    os.replace(source, target)
    sync_folder(target.parent)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".tmp-{uuid.uuid4().hex}"
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a file in a folder beside ``path`` that takes its place when all went well, on the disk by then, and is gone when not.

    For writers that take a path; it has the same name, by whose ending some of them choose a format. See :func:`whole_folder` on
    what a killed process left.
    """
    path = path.absolute()
    with _part_beside(path) as folder:
        partial = folder / path.name
        yield partial
        sync_folder(partial)
        os.replace(partial, path)


@contextlib.contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Yield a folder beside ``out`` that takes its place when all went well, and is gone when not; ``out`` may be there if it is empty.

    What a killed process left of an earlier try is removed; the lock that each holds on its folder tells it from one at work.
    """
    out = out.absolute()
    with _part_beside(out) as partial:
        yield partial
        files = [path for path in partial.rglob("*") if path.is_file()]
        plain_mode(*files)
        sync_tree(partial, [path.relative_to(partial).as_posix() for path in files])
        move(partial, out)


@contextlib.contextmanager
def _part_beside(out: Path) -> Iterator[Path]:
    _remove_dead_parts(out)
    partial, lock = _new_part(out)
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _new_part(out: Path) -> tuple[Path, int | None]:
    """Return a new folder and the handle that locks it; another process may take one for a leftover before it is locked."""
    while True:
        partial = out.with_name(f".{out.name}-{uuid.uuid4().hex[:8]}.part")
        partial.mkdir(parents=True)
        try:
            lock = _locked(partial, wait=True)
        except FileNotFoundError:
            continue
        if partial.is_dir():
            return partial, lock
        if lock is not None:
            os.close(lock)


def _remove_dead_parts(out: Path) -> None:
    name = re.compile(rf"\.{re.escape(out.name)}-[0-9a-f]{{8}}\.part")
    with contextlib.suppress(OSError):
        for leftover in [path for path in out.parent.iterdir() if name.fullmatch(path.name)]:
            lock = _locked(leftover)
            if lock is not None:
                shutil.rmtree(leftover, ignore_errors=True)
                os.close(lock)


def _locked(folder: Path, *, wait: bool = False) -> int | None:
    """Return an open handle that locks a folder until it is closed or its process ends; None where another process holds it, or where the
    file system knows no such locks."""
    number = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(number, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(number)
        return None
    return number
