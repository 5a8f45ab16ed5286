"""When two spellings mean one class, and which classes a text names."""

from __future__ import annotations

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
        self._wanted: dict[tuple[str, ...], set[str]] = {}
        self._lengths: dict[str, set[int]] = {}
        """First word of a name -> numbers of words of the names that begin so: most places of a text begin none."""
        for name in names:
            if spelling := _words(name):
                for end in ("", "s", "es"):
                    form = (*spelling[:-1], spelling[-1] + end)
                    self._wanted.setdefault(form, set()).add(name)
                    self._lengths.setdefault(form[0], set()).add(len(form))

    def names_in(self, text: str) -> set[str]:
        """Return the names that a text holds."""
        text_words = _words(text)
        return {
            name
            for start, word in enumerate(text_words)
            for length in self._lengths.get(word, ())
            for name in self._wanted.get(text_words[start : start + length], ())
        }


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text).lower()))
