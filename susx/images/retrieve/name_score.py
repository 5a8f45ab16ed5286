"""How well the texts of a row say that its image shows a class."""

from __future__ import annotations

from collections.abc import Sequence

from susx.config.spelling import NameFinder, plain

__all__ = ["LABELLED", "NameScore"]

LABELLED = 2.0
"""Score of a row whose label is the name; captions score at most 1."""


class NameScore:
    """Judges rows for one name.

    >>> score = NameScore("hot dog")
    >>> score.of(["Hot_Dog"], []), score.of(["dog"], ["a big hot dog"]), score.of([], ["a hot, tired dog"])
    (2.0, 0.5, 0.0)
    """

    def __init__(self, name: str) -> None:
        self.words = tuple(plain(name).split())
        self._finder = NameFinder([name])
        self._labels = {plain(name) + end for end in ("", "s", "es")}

    def of(self, labels: Sequence[str], captions: Sequence[str]) -> float:
        """Return ``LABELLED`` where a label is the name, else the largest share of the name among the words of a caption that holds it, or 0."""
        if any(plain(label) in self._labels for label in labels):
            return LABELLED
        size = max(len(self.words), 1)
        naming = [text for text in captions if self._finder.names_in(text)]
        return max((size / max(len(text.split()), size) for text in naming), default=0.0)
