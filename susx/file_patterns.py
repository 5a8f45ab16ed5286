"""Files that a pattern on the command line means: ``*``, ``?``, ``[ab]``, ``**``, and webdataset's ``{00000..00012}`` and ``{a,b}``.

What is there by its very name comes first: folders are called ``runs [2024]``. Links and leftovers are treated as
:mod:`susx.user_folder` says.
"""

from __future__ import annotations

import fnmatch
import glob
import re
from collections.abc import Sequence
from pathlib import Path

from susx.errors import InputError
from susx.user_folder import files_below, is_leftover

__all__ = ["matching_files"]

_MOST = 1_000_000
"""Names that braces may stand for."""

_BRACES = re.compile(r"\{(?:(\d+)\.\.(\d+)|([^{}]*,[^{}]*))\}")


def matching_files(pattern: str) -> list[Path]:
    """Return the files that a pattern means, sorted within each alternative of its braces.

    Raises:
        InputError: nothing matches (each alternative of braces must), or braces stand for too many names.
    """
    if Path(pattern).is_file():
        return [Path(pattern)]
    files: dict[Path, None] = {}
    for name in _alternatives(pattern):
        matches = [Path(name)] if Path(name).is_file() else _globbed(name)
        if not matches:
            of = "" if name == pattern else f" (of '{pattern}')"
            raise InputError(f"No file matches '{name}'{of}.")
        files.update(dict.fromkeys(matches))
    return list(files)


def _alternatives(pattern: str) -> list[str]:
    names = [pattern]
    while any(_BRACES.search(name) for name in names):
        names = [alternative for name in names for alternative in _first_braces(name)]
        if len(names) > _MOST:
            raise InputError(f"'{pattern}' stands for more than {_MOST} files.")
    return names


def _first_braces(name: str) -> Sequence[str]:
    braces = _BRACES.search(name)
    if not braces:
        return [name]
    first, last, alternatives = braces.groups()
    if alternatives is not None:
        choices = alternatives.split(",")
    elif int(last) - int(first) >= _MOST:
        raise InputError(f"'{name}' stands for more than {_MOST} files.")
    else:
        choices = [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]
    return [name[: braces.start()] + choice + name[braces.end() :] for choice in choices]


def _globbed(pattern: str) -> list[Path]:
    whole = Path(pattern)
    base, rest = Path(whole.anchor), list(whole.parts[1:] if whole.anchor else whole.parts)
    while rest and (base / rest[0]).exists():
        base, rest = base / rest[0], rest[1:]
    if not rest or not base.is_dir():
        return []
    if "**" in rest:
        below = (path for path in files_below(base).files)
        return [path for path in below if _matches(path.relative_to(base).parts, tuple(rest))]
    at = "" if base == Path() else glob.escape(str(base))
    matches = glob.glob(str(Path(at, *rest))) or glob.glob(
        str(Path(at, *(part.replace("[", "[[]") for part in rest)))
    )
    return sorted(
        path
        for path in map(Path, matches)
        if path.is_file() and not any(map(is_leftover, set(path.parts[len(base.parts) :]) - set(rest)))
    )


def _matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[skip:], pattern[1:] or ("*",)) for skip in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])
