"""Images of one's own per class: which files of a folder are whose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from susx.config.spelling import plain
from susx.errors import ConfigError, did_you_mean
from susx.image_files import IMAGE_SUFFIXES

__all__ = ["find_seeds"]


def find_seeds(folder: Path, classes: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Return class -> its files, relative to the folder, in a fixed order; classes without images are left out.

    A class's images lie in the sub-folder of its name, at any depth; case, blanks, ``_``, ``-`` and ``/`` may differ. Hidden files
    and files that are no images by their names are left out.

    Raises:
        ConfigError: there is no such folder, a sub-folder is no class's, or images lie beside the sub-folders.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"The folder of seeds {folder} is not there. Give one with a sub-folder of images per class, or take 'seeds' out."
        )
    names = {plain(name): name for name in classes}
    found: dict[str, list[str]] = {}
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if not entry.is_dir():
            if entry.suffix.lower() in IMAGE_SUFFIXES:
                raise ConfigError(
                    f"{entry} lies beside the folders of the classes; move it into the folder of its class."
                )
            continue
        name = entry.name if entry.name in classes else names.get(plain(entry.name))
        if name is None:
            raise ConfigError(
                f"The seeds' folder {entry} is no class's.{did_you_mean(entry.name, classes)} Its name must be that of a class."
            )
        found.setdefault(name, []).extend(
            path.relative_to(folder).as_posix() for path in sorted(entry.rglob("*")) if _counts(path, entry)
        )
    return {name: tuple(found[name]) for name in classes if found.get(name)}


def _counts(path: Path, entry: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(entry).parts)
    return path.suffix.lower() in IMAGE_SUFFIXES and not hidden and path.is_file()
