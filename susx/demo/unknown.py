"""Of which class names the embedded models know nothing; apart from the vocabulary, whose file is an ingredient of the pool."""

from __future__ import annotations

import re
from collections.abc import Iterable

from susx.demo.vocabulary import SYNONYMS

__all__ = ["unknown_names"]

_SMALL = frozenset(("with", "of", "a", "the", "and", "print", "drawing", "big", "thin", "hand", "up", "see"))
"""Words of the vocabulary that say nothing of a texture by themselves."""


def unknown_names(names: Iterable[str]) -> list[str]:
    """Return the names that hold no word of the vocabulary."""
    recognised = {
        word for name, others in SYNONYMS.items() for phrase in (name, *others) for word in _words(phrase)
    }
    return [name for name in names if not recognised.intersection(_words(name))]


def _words(text: str) -> list[str]:
    return [word for word in re.findall(r"\w+", text.lower()) if word not in _SMALL]
