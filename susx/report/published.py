"""Reference numbers measured by other people, from the shipped ``published.json``."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from susx.report.model import PublishedNumber

__all__ = ["published_for", "published_numbers"]


@cache
def published_numbers() -> tuple[PublishedNumber, ...]:
    """Return every known cell: data set, backbone, method, value (a fraction) and whose number it is.

    A cell that is not in the file is not known. The same data set can have several zero-shot values: they differ by
    prompts, class names and splits, which is why every number comes with its source.
    """
    numbers = json.loads((files("susx.report") / "published.json").read_text(encoding="utf-8"))
    sources = numbers["sources"]
    return tuple(
        PublishedNumber(
            dataset=block["dataset"],
            backbone=block["backbone"],
            method=method,
            value=round(percent / 100, 6),
            source=sources[block["source"]],
            setting=block.get("setting", ""),
        )
        for block in numbers["numbers"]
        for method, percent in block["values"].items()
    )


def published_for(dataset: str) -> tuple[PublishedNumber, ...]:
    """Return the numbers of one data set (an empty tuple when none is known)."""
    return tuple(number for number in published_numbers() if number.dataset == dataset)
