"""When two spellings mean one class."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["plain"]


def plain(name: str) -> str:
    r"""Fold case and the two ways to write an accent, and treat ``_``, ``-``, ``/``, dots and runs of blanks as one blank.

    >>> plain("Polka-Dotted") == plain("polka_dotted")
    True
    >>> plain("Cafe\u0301") == plain("caf\u00e9")
    True
    """
    return re.sub(r"[\s_\-/.]+", " ", unicodedata.normalize("NFC", name)).strip().casefold()
