"""Images into a folder per class, by copies or links: planned first, never over anything, the photographs untouched.

Every file that is made is a line of ``sorted-<time>.jsonl`` in the target folder before the next one is made, so that all of it can be taken
back, whatever ended it.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from susx.errors import InputError, StoreError
from susx.printable import for_json

if TYPE_CHECKING:
    from susx.labelling.label_result import LabelResult

__all__ = ["NONE", "Move", "carry_out", "class_folders", "plan_sorting", "take_back"]

NONE = "none of these"
"""Folder of images of which a person said that they show none of the classes."""

How = Literal["copy", "link"]

_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Move:
    """One image and where it is to lie.

    Attributes:
        source: the photograph, absolute.
        target: below the target folder, absolute; not there yet unless ``there``.
        digest: of the photograph.
        there: whether the target is there already and is the same.
    """

    source: Path
    target: Path
    digest: str
    there: bool = False


def class_folders(classes: Sequence[str]) -> dict[str, str]:
    """Return class -> name of its folder: the class's own, without what file systems do not bear; no two are the same to any of them.

    >>> class_folders(["cat", "Cat", "AC/DC", ".."])
    {'cat': 'cat', 'Cat': 'Cat-2', 'AC/DC': 'AC_DC', '..': '_'}
    """
    taken: set[str] = set()
    folders = {}
    for name in classes:
        plain = re.sub(r'[\x00-\x1f\x7f/\\:*?"<>|]', "_", name).strip(". ")[:80] or "_"
        plain = f"_{plain}" if _RESERVED.fullmatch(plain) else plain
        folder, number = plain, 2
        while folder.casefold() in taken:
            folder, number = f"{plain}-{number}", number + 1
        taken.add(folder.casefold())
        folders[name] = folder
    return folders


def plan_sorting(result: LabelResult, target: Path, how: How, *, least: float = 0.0) -> list[Move]:
    """Return what would be made, in the order of the table; nothing is written.

    Args:
        result: a labelled folder.
        target: folder that gets one folder per class.
        how: copies, or symbolic links to the photographs.
        least: probability from which an image is sorted; what a person said has 1.

    Raises:
        InputError: the target is the labelled folder, lies in it, or leads into it.
    """
    target = Path(os.path.abspath(target.expanduser()))
    source = Path(result.record.folder)
    names = class_folders([*result.classes, *([NONE] if NONE not in result.classes else [])])
    for folder in (target, *(target / name for name in names.values())):
        _refuse_inside(folder, source)
    planned: set[str] = set()
    moves = []
    for row in result.frame[result.frame["probability"] >= least].itertuples():
        photo, digest = result.image(str(row.path)), str(row.digest)
        folder = target / names[str(row.label) or NONE]
        move = _free(photo, folder, digest, how, planned)
        planned.add(str(move.target).casefold())
        moves.append(move)
    return moves


def _refuse_inside(folder: Path, source: Path) -> None:
    real, photos = folder.resolve(), source.resolve()
    if real == photos or real.is_relative_to(photos):
        raise InputError(
            f"{folder} is or lies in the folder of photographs ({source}): what is sorted there would be labelled the next time. Give "
            "another folder; nothing was written."
        )
    if folder.exists() and not folder.is_dir():
        raise InputError(
            f"{folder} is a file; images are sorted into folders. Give another folder; nothing was written."
        )


def _free(photo: Path, folder: Path, digest: str, how: How, planned: set[str]) -> Move:
    """Return the move to the first name that is free, or at which the same image lies already."""
    for name in (
        photo.name,
        f"{photo.stem}-{digest[:8]}{photo.suffix}",
        f"{photo.stem}-{digest}{photo.suffix}",
    ):
        target = folder / name
        if str(target).casefold() in planned:
            continue
        if not os.path.lexists(target):
            return Move(photo, target, digest)
        if _same(target, photo, digest, how):
            return Move(photo, target, digest, there=True)
    number = 2
    while os.path.lexists(folder / f"{photo.stem}-{number}{photo.suffix}") or (
        str(folder / f"{photo.stem}-{number}{photo.suffix}").casefold() in planned
    ):
        number += 1
    return Move(photo, folder / f"{photo.stem}-{number}{photo.suffix}", digest)


def _same(target: Path, photo: Path, digest: str, how: How) -> bool:
    try:
        if how == "link" or target.is_symlink():
            return how == "link" and target.is_symlink() and os.readlink(target) == str(photo)
        return _digest(target) == digest
    except OSError:
        return False


def carry_out(moves: Sequence[Move], target: Path, how: How) -> tuple[Path | None, list[str]]:
    """Make what was planned.

    Returns:
        The list of what was made (None where all is there already), and a sentence for each photograph that could not be sorted.

    Raises:
        StoreError: the disk is full or may not be written; what was made until then is in the list.
    """
    if all(move.there for move in moves):
        return None, []
    target = Path(os.path.abspath(target.expanduser()))
    time = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%S%f")
    undo = target / f"sorted-{time}.jsonl"
    failed: list[str] = []
    made = 0
    try:
        target.mkdir(parents=True, exist_ok=True)
        with open(undo, "x", encoding="utf-8") as file:
            for move in moves:
                if move.there:
                    continue
                folder_is_new = not move.target.parent.is_dir()
                move.target.parent.mkdir(parents=True, exist_ok=True)
                entry = {
                    "made": str(move.target.relative_to(target)), "how": how, "from": str(move.source), "digest": move.digest,
                    "folder": folder_is_new,
                }  # fmt: skip
                file.write(for_json(json.dumps(entry)) + "\n")
                file.flush()
                if reason := _make(move, how):
                    failed.append(reason)
                made += not reason
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(
            f"Only {made} of {sum(not move.there for move in moves)} images could be sorted into {target}: {error}. Make room and run the "
            f"same command again, or take it back with --undo {undo}. No photograph was touched."
        ) from error
    return undo, failed


def _make(move: Move, how: How) -> str:
    """Make one file; a photograph that changed or went away is a reason, not an end."""
    try:
        if how == "link":
            if not move.source.is_file():
                return f"{move.source} is not there any more"
            os.symlink(move.source, move.target)
            return ""
        with open(move.source, "rb") as photo:
            data = photo.read()
    except FileExistsError:
        return f"{move.target} was made by somebody else meanwhile; it is left alone"
    except FileNotFoundError:
        return f"{move.source} is not there any more"
    except PermissionError as error:
        if how == "link":
            raise
        return f"{move.source} cannot be read ({error.strerror})"
    if hashlib.sha256(data).hexdigest() != move.digest:
        return f"{move.source} was changed since it was labelled"
    try:
        with open(move.target, "xb") as copy:
            try:
                copy.write(data)
                copy.flush()
            except BaseException:
                move.target.unlink(missing_ok=True)
                raise
    except FileExistsError:
        return f"{move.target} was made by somebody else meanwhile; it is left alone"
    shutil.copystat(move.source, move.target)
    return ""


def take_back(undo: Path, *, really: bool) -> tuple[int, list[str]]:
    """Remove what a list says was made, and the class folders that are empty then.

    Args:
        undo: a list that ``carry_out`` wrote, in the folder that it wrote to.
        really: False only counts.

    Returns:
        How many files go (or went), and a sentence for each that is left alone because it is another than was made.

    Raises:
        InputError: it is no such list.
    """
    try:
        entries = [json.loads(line) for line in undo.read_text(encoding="utf-8").splitlines() if line.strip()]
        files = [
            (undo.parent / entry["made"], entry["how"], entry["from"], entry["digest"], entry["folder"])
            for entry in entries
        ]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{undo} is no list of sorted images ({error}); give a sorted-....jsonl of the target folder."
        ) from error
    gone, left = 0, []
    root = undo.parent.resolve()
    for path, how, source, digest, _ in files:
        if not path.parent.resolve().is_relative_to(root):
            raise InputError(f"{undo} names {path}, which is not below its folder; nothing more is removed.")
        if not os.path.lexists(path):
            continue
        if not _same(path, Path(source), digest, how):
            left.append(f"{path} was changed since; it is left alone")
            continue
        gone += 1
        if really:
            path.unlink()
    if really:
        for folder in {path.parent for path, *_, new in files if new}:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        if not left:
            undo.unlink()
    return gone, left


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return (
            hashlib.file_digest(file, "sha256").hexdigest()
            if hasattr(hashlib, "file_digest")
            else hashlib.sha256(file.read()).hexdigest()
        )
