"""Files that a source shows in place of images ("image not available"): where each image has a page of its own, no two should be equal."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from susx.images.retrieve.candidates import Candidate

__all__ = ["COPIES", "PLACEHOLDER", "pages_of", "said_of", "without_placeholders"]

PLACEHOLDER = "placeholder"
"""The reason of their rejection."""

COPIES = 3
"""So many pages of their own with one and the same file show no image of theirs."""


def pages_of(shown: Iterable[tuple[str, str | None, str | None]]) -> Mapping[tuple[str, str], int]:
    """Count the pages that show one file to a class.

    Args:
        shown: class, digest of the file as it came, page; those that lack one of them are left aside.
    """
    pages: dict[tuple[str, str], set[str]] = defaultdict(set)
    for class_name, digest, page in shown:
        if digest and page:
            pages[class_name, digest].add(page)
    return {key: len(different) for key, different in pages.items()}


def said_of(pages: int) -> str:
    """Return what a person is told of a placeholder."""
    return f"{pages} pages show this same file in place of their image."


def without_placeholders(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Mark candidates as refused whose bytes came with the rows of several pages; their ``item`` is the digest of those bytes."""
    pages = pages_of((one.class_name, one.item, one.page) for one in candidates if one.image is not None)
    return [
        dataclasses.replace(one, refused=PLACEHOLDER, detail=said_of(shown))
        if one.image is not None
        and not one.refused
        and one.page
        and (shown := pages[one.class_name, one.item]) >= COPIES
        else one
        for one in candidates
    ]
