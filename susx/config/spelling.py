"""When two spellings mean one class."""

from __future__ import annotations

import re

__all__ = ["plain"]


def plain(name: str) -> str:
    """Fold case, and treat ``_``, ``-``, ``/``, dots and runs of blanks as one blank.

    >>> plain("Polka-Dotted") == plain("polka_dotted")
    True
    """
    return re.sub(r"[\s_\-/.]+", " ", name).strip().casefold()
