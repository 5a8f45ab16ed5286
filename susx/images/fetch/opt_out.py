"""Whether a server's ``X-Robots-Tag`` opts out of such use, in every form that the header has.

A value is a list of directives; ``agent:`` before one says whom it and the following concern, and some directives have values of their own
(``max-image-preview:large``). img2dataset takes the first colon for the end of an agent's name and knows neither ``*`` nor ``none``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["opted_out"]

_OPT_OUT = frozenset({"noai", "noimageai", "noindex", "noimageindex", "none"})
"""img2dataset's own choice, and ``none``, which is ``noindex, nofollow``."""

_WITH_VALUES = frozenset({"max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"})

_AGENTS = frozenset({"*", "susx", "img2dataset"})
"""Whom a directive must concern: all, or the names that requests carry."""


def opted_out(values: Iterable[str]) -> str:
    """Return the directive by which one of the header's values opts out, or "".

    >>> opted_out(["noai, max-image-preview:large"]), opted_out(["*: noimageai"]), opted_out(["otherbot: noai"])
    ('noai', 'noimageai', '')
    """
    for value in values:
        concerned = True
        for part in re.split(r"[,;]", value.lower()):
            while ":" in part:
                head, _, rest = part.partition(":")
                if head.strip() in _WITH_VALUES | _OPT_OUT:
                    part = head
                else:
                    concerned, part = head.strip() in _AGENTS, rest
            if concerned and (refusals := [word for word in part.split() if word in _OPT_OUT]):
                return refusals[0]
    return ""
