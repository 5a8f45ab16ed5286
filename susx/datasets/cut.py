"""A copy without official splits, cut into val, test and what is neither.

Within each class the images are put in the order of their names' hashes; the first share of them is val, the next test. So every
class is in both as far as its images go, the cut is the same on every machine, and an image that is added moves at most two
others of its class: one across each of the two ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from susx.seeds import derive_seed

__all__ = ["TEST_SHARE", "VAL_SHARE", "Cut", "cut_by_class"]

VAL_SHARE, TEST_SHARE = 0.2, 0.3
"""The proportions of the splits of CoOp (Zhou et al., IJCV 2022), which leave half of the images for training."""


@dataclass(frozen=True)
class Cut:
    """How many labelled images a copy holds, and how many of them are val and test; the others are neither."""

    images: int
    val: int
    test: int

    @property
    def neither(self) -> int:
        """Images that a build does not look at."""
        return self.images - self.val - self.test


def cut_by_class(
    labels: Sequence[int], names: Sequence[str], val: float = VAL_SHARE, test: float = TEST_SHARE
) -> list[str]:
    """Return ``val``, ``test`` or ``""`` for each image.

    Ends are rounded half up: of three images one is val and one test, of one alone it is test.

    >>> cut_by_class([0] * 10, [f"{i}.png" for i in range(10)]).count("test")
    3
    """
    members: dict[int, list[int]] = {}
    for at, label in enumerate(labels):
        members.setdefault(label, []).append(at)
    splits = [""] * len(labels)
    for inside in members.values():
        inside.sort(key=lambda at: (derive_seed(0, "split", names[at]), names[at]))
        first, second = (int(share * len(inside) + 0.5 + 1e-9) for share in (val, val + test))
        for rank, at in enumerate(inside[:second]):
            splits[at] = "val" if rank < first else "test"
    return splits
