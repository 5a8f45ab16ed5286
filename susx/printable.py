"""Text of others (captions, file names, answers of servers), made harmless for where it is shown."""

from __future__ import annotations

import re

__all__ = ["for_cell", "for_json", "for_terminal"]

_CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
"""What a terminal obeys or cannot show: C0 and C1 controls, bidirectional marks, lone surrogates; not tab and line end."""

_NUMBERS = re.compile(r"[-+]?[\d.,]*((,| to) [-+]?[\d.,]+)?")
"""A number, an interval of two, a dash."""

_CONTROL = re.compile(f"[{_CONTROLS}]")


def for_terminal(text: str) -> str:
    """Return a text in which what a terminal would obey is spelled out.

    >>> for_terminal("red \\x1b[31m")
    'red \\\\x1b[31m'
    """
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def for_json(text: str) -> str:
    """Return JSON that means the same and holds no such character itself: it can be shown, and written as UTF-8.

    >>> for_json('"\\x9b31m"')
    '"\\\\u009b31m"'
    """
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def for_cell(value: object) -> object:
    """Return a cell of a CSV that no spreadsheet takes for a formula (OWASP, CSV injection); numbers stay numbers.

    >>> for_cell("=1+1"), for_cell("+1.5"), for_cell(-1.5)
    ("'=1+1", '+1.5', -1.5)
    """
    if not isinstance(value, str):
        return value
    text = for_terminal(value)
    formula = text.lstrip().startswith(("=", "+", "-", "@")) and not _NUMBERS.fullmatch(text)
    return f"'{text}" if formula else text
