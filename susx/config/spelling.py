"""When two spellings mean one class, and which classes a text names."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable

__all__ = ["NameFinder", "plain"]


def plain(name: str) -> str:
    r"""Fold case and the two ways to write an accent, and treat ``_``, ``-``, ``/``, dots and runs of blanks as one blank.

    >>> plain("Polka-Dotted") == plain("polka_dotted")
    True
    >>> plain("Cafe\u0301") == plain("caf\u00e9")
    True
    """
    return re.sub(r"[\s_\-/.]+", " ", unicodedata.normalize("NFC", name)).strip().casefold()


class NameFinder:
    """Finds names in texts: their words in their order, in any case, the last one in the plural too.

    >>> sorted(NameFinder(["dog", "hot dog", "cat"]).names_in("Two Hot-Dogs"))
    ['dog', 'hot dog']
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._wanted: dict[tuple[str, ...], list[str]] = {}
        for name in names:
            if words := _words(name):
                self._wanted.setdefault(words, []).append(name)
        self._longest = max(map(len, self._wanted), default=0)

    def names_in(self, text: str) -> set[str]:
        """Return the names that a text holds."""
        words = _words(text)
        found: set[str] = set()
        for start, length in itertools.product(range(len(words)), range(1, self._longest + 1)):
            part = words[start : start + length]
            if len(part) == length:
                for end in ("", "s", "es"):
                    found.update(self._wanted.get((*part[:-1], part[-1].removesuffix(end)), ()))
        return found


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text).lower()))
