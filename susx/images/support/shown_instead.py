"""Pictures that sources show in place of images, told by all classes together: of one class too few may show the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor

from susx.images.retrieve.placeholders import COPIES
from susx.records import SupportRow

__all__ = ["SAME_LOOK", "pages_with_the_same"]

SAME_LOOK = 0.99
"""Cosine of the features of pictures with equal perceptual hashes, from which they look the same: a source may encode its notice anew each time."""


def pages_with_the_same(
    rows: Sequence[SupportRow], features: Float[Tensor, "support dim"]
) -> Mapping[int, int]:
    """Return place of a kept row -> number of pages of their own that show its picture, for those with ``COPIES`` pages or more.

    Two pages show the same where the files were equal as they came, or the pictures look the same.
    """
    by_file: dict[str, list[int]] = defaultdict(list)
    by_look: dict[str, list[int]] = defaultdict(list)
    for at, row in sorted(
        enumerate(rows), key=lambda one: one[1].digest
    ):  # so that no order of the rows matters
        if row.kept and row.page and row.origin == "retrieved":
            if row.original_digest:
                by_file[row.original_digest].append(at)
            if row.phash:
                by_look[row.phash].append(at)
    shown: dict[int, int] = {}
    groups = [
        *by_file.values(),
        *(group for places in by_look.values() for group in _alike(places, features)),
    ]
    for group in groups:
        pages = len({rows[at].page for at in group})
        if pages >= COPIES:
            shown |= {at: max(pages, shown.get(at, 0)) for at in group}
    return shown


def _alike(places: Sequence[int], features: Float[Tensor, "support dim"]) -> list[list[int]]:
    """Group places by their features: each with the first that it looks like."""
    groups: list[list[int]] = []
    for at in places:
        group = next((one for one in groups if float(features[one[0]] @ features[at]) >= SAME_LOOK), None)
        if group is None:
            groups.append([at])
        else:
            group.append(at)
    return groups
