"""Which cells an experiment has: what it grants, cut down to what a method and its protocol look at."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from susx.methods.access import Access, permitted_access, sorted_access
from susx.methods.base import Method, Need

__all__ = ["SUPPORT", "access_of", "applies"]

SUPPORT: frozenset[Access] = frozenset({"pool", "shots"})
"""Where support images come from."""


def access_of(method: Method[Any], tuning: str, granted: Collection[Access]) -> tuple[Access, ...]:
    """Return what the method looks at where so much is granted, in the order of tables.

    Validation images are looked at under the protocol ``val`` alone.
    """
    wanted = permitted_access(method, tuning)
    if tuning != "val":
        wanted -= {"validation"}
    return sorted_access(wanted & {"names", *granted})


def applies(method: Method[Any], tuning: str, granted: Collection[Access]) -> bool:
    """Whether the method can work under the protocol with no more than this."""
    access = set(access_of(method, tuning, granted))
    if tuning == "val" and "validation" not in access:
        return False
    support = bool(access & SUPPORT)
    if not support and (tuning == "support" or method.needs & {Need.SUPPORT, Need.POOL}):
        return False
    return method.row_wise or bool(access & {"folder", "stream"})
