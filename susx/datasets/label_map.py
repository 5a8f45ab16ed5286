"""From what a data set on disk calls a class to the class list of the configuration.

The only way from a folder, file or class string to a label: by name, through ``class_map``. The order in which
folders are listed plays no part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from susx.config.spelling import plain
from susx.errors import ConfigError, did_you_mean

__all__ = ["LabelMap"]


class LabelMap:
    """Label of a class as written on disk.

    Looked up in this order: ``class_map`` (exact), a class name (exact), a class name that differs only in case,
    underscores, hyphens, slashes and dots. Two classes that differ in nothing else are only found exactly.
    """

    def __init__(self, classes: Sequence[str], class_map: Mapping[str, str] | None = None) -> None:
        self.classes = tuple(classes)
        exact = {name: i for i, name in enumerate(self.classes)}
        folded: dict[str, int | None] = {}
        for name, i in exact.items():
            folded[plain(name)] = None if plain(name) in folded else i
        self._exact = exact
        self._mapped = {key: exact[name] for key, name in (class_map or {}).items()}
        self._folded = {key: i for key, i in folded.items() if i is not None}

    def find(self, name_there: str) -> int | None:
        """Return the label, or None when the name leads to no class."""
        for table, key in (
            (self._mapped, name_there),
            (self._exact, name_there),
            (self._folded, plain(name_there)),
        ):
            if key in table:
                return table[key]
        return None

    def label(self, name_there: str, where: object) -> int:
        """Return the label of the class that ``where`` calls ``name_there``.

        Raises:
            ConfigError: it is none of the classes; the nearest is suggested.
        """
        label = self.find(name_there)
        if label is None:
            raise ConfigError(
                f"{where} holds images of '{name_there}', which is none of the {len(self.classes)} classes of the data set."
                f"{did_you_mean(name_there, self.classes)} Add '{name_there}: <class name>' to reader.class_map, or list it in"
                " reader.options.ignore (separated by '|') when its images are not part of the task."
            )
        return label
