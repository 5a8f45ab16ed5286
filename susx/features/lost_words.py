"""The end of a text that a text encoder never sees, because its context is full.

Tokenizers tell it in no common way, and most cut without a word; but of every one the tokens can be had. Where neither more text nor
less changes them, the end of the text has no effect.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

__all__ = ["lost_end", "say_what_is_lost"]

_SHOWN = 80
"""Characters of a text in a message."""


def lost_end(tokens_of: Callable[[str], Hashable], text: str) -> str:
    """Return the end of a text without which its tokens are the same, "" where all of it counts.

    Args:
        tokens_of: what an encoder is given for a text, cut as it is cut for it.
        text: as a person wrote it.
    """
    text = text.strip()
    seen = tokens_of(text)
    if not text or tokens_of(f"{text} and more words") != seen:
        return ""
    low, high = 0, len(text)  # the shortest beginning that has the same tokens
    while low < high:
        middle = (low + high) // 2
        if tokens_of(text[:middle]) == seen:
            high = middle
        else:
            low = middle + 1
    lost = text[low:]
    # A full stop or half an entity may change nothing; letters and digits are words.
    return lost.strip() if any(letter.isalnum() for letter in lost) else ""


def say_what_is_lost(lost: Iterable[tuple[str, str]], reader: str) -> str:
    """Return a sentence on texts that are cut, with the end of the first that has no effect; "" where none is."""
    cut = [(text, end) for text, end in lost if end]
    if not cut:
        return ""
    text, end = cut[0]
    shown = f"{text[:_SHOWN]}..." if len(text) > _SHOWN else text
    more = f" So it is with {len(cut) - 1} more." if len(cut) > 1 else ""
    return f"'{shown}' is longer than {reader}; these words have no effect: '{end}'.{more}"
