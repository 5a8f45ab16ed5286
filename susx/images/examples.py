"""Images of one's own per class: which files of a folder are whose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from susx.config.spelling import plain
from susx.errors import ConfigError, did_you_mean
from susx.image_folder import images_below
from susx.user_folder import folders_in

__all__ = ["find_examples"]


def find_examples(folder: Path, classes: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Return class -> its files, relative to the folder, in a fixed order; classes without images are left out.

    A class's images lie in the sub-folder of its name, at any depth; case, blanks, ``_``, ``-`` and ``/`` may differ. Hidden files,
    what systems leave and files that are no images by their names are left out.

    Raises:
        ConfigError: there is no such folder, a sub-folder is no class's, or images lie beside the sub-folders.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"The folder of examples {folder} is not there. Give one with a sub-folder of images per class, or take 'examples' out."
        )
    names = {plain(name): name for name in classes}
    examples_of: dict[str, list[str]] = {}
    below = images_below(folder)
    beside = next((path for path in below.files if path.parent == folder), None)
    if beside:
        raise ConfigError(
            f"{beside} lies beside the folders of the classes; move it into the folder of its class."
        )
    for entry in folders_in(folder):
        name = entry.name if entry.name in classes else names.get(plain(entry.name))
        if name is None:
            raise ConfigError(
                f"The examples' folder {entry} is no class's.{did_you_mean(entry.name, classes)} Its name must be that of a class."
            )
        examples_of.setdefault(name, []).extend(
            path.relative_to(folder).as_posix() for path in below.files if path.is_relative_to(entry)
        )
    return {name: tuple(examples_of[name]) for name in classes if examples_of.get(name)}
