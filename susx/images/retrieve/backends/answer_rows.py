"""Rows of a kNN service's answer that can be used; JSON may hold anything in every field, and the rest is counted by what is wrong."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["usable_rows"]

_LARGEST_SIMILARITY = 1e6
"""Inner products of features that nobody normalised stay far below; what is above is no similarity."""

_LONGEST = 20_000
"""Characters of a link or a caption: browsers and servers take no longer link, and no caption is longer."""


def usable_rows(rows: Sequence[Mapping[str, Any]], wanted: int) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Return the first ``wanted`` rows that have a similarity and a link or an image, and reason -> number of the others.

    A field that is no text where a text belongs is taken for empty.
    """
    kept: list[dict[str, Any]] = []
    left_out: Counter[str] = Counter()
    for number, row in enumerate(rows):
        if len(kept) >= wanted:
            left_out["more than asked for"] += len(rows) - number
            break
        plain = {str(key): _plain(value) for key, value in row.items()}
        similarity = _similarity(row.get("similarity"))
        image = row.get("image")
        plain["image"] = image if isinstance(image, str) and image else None
        for key in [key for key in plain if key.lower() == "url"]:
            plain[key] = row[key] if isinstance(row[key], str) and len(row[key]) <= _LONGEST else None
            plain[key] = _plain(plain[key])
        if similarity is None:
            left_out["'similarity' is no number"] += 1
        elif not plain["image"] and not any(value for key, value in plain.items() if key.lower() == "url"):
            left_out["neither 'url' nor 'image'"] += 1
        else:
            kept.append({**plain, "similarity": similarity})
    return kept, left_out


def _similarity(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and abs(number) <= _LARGEST_SIMILARITY else None


def _plain(value: Any) -> Any:
    """Return a text without lone surrogates, at most so long; a number as it is; None for anything else."""
    if isinstance(value, str):
        return value[:_LONGEST].encode("utf-8", "replace").decode()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    return None
