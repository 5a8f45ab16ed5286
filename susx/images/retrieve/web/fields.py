"""Fields of a stranger's JSON: a text, a link, or nothing."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

__all__ = ["is_link", "text"]

_LONGEST = 2000
"""Characters of a title or a name that are kept."""


def text(value: Any) -> str | None:
    """Return a text in one line without lone surrogates, a number as one; None for anything else.

    >>> text("  a\\n cat "), text(7), text(["a"])
    ('a cat', '7', None)
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    plain = str(value)[:_LONGEST].encode("utf-8", "replace").decode()
    return " ".join(plain.split()) or None


def is_link(value: Any) -> bool:
    """Whether a value is an address of the web.

    >>> is_link("https://example.org/a.jpg"), is_link("/a.jpg"), is_link(None)
    (True, False, False)
    """
    if not isinstance(value, str) or len(value) > 20_000:
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)
