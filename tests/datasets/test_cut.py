"""A copy without official splits is cut within each class, and adding an image hardly moves others."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from susx.datasets.cut import cut_by_class

NAMES = st.lists(st.text("abcdef0123456789/", min_size=1, max_size=12), unique=True, min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("images", "val", "test"), [(1, 0, 1), (2, 0, 1), (3, 1, 1), (4, 1, 1), (5, 1, 2), (10, 2, 3)]
)
def test_every_class_is_in_both_as_far_as_it_goes(images, val, test):
    """Shares of 0.2 and 0.3, rounded half up at both ends."""
    counts = Counter(cut_by_class([0] * images, [f"{i}.jpg" for i in range(images)]))
    assert (counts["val"], counts["test"]) == (val, test)


def test_labels_are_not_spent_on_chance():
    """Three images of each of twelve classes: one of each is val, one test, one neither, whatever they are called."""
    labels = [label for label in range(12) for _ in range(3)]
    splits = cut_by_class(labels, [f"{label}/{i}.jpg" for i, label in enumerate(labels)])
    for label in range(12):
        assert sorted(split for split, of in zip(splits, labels, strict=True) if of == label) == [
            "",
            "test",
            "val",
        ]


@settings(max_examples=60, deadline=None)
@given(names=NAMES, classes=st.integers(1, 4), data=st.data())
def test_an_added_image_moves_at_most_two_of_its_class(names, classes, data):
    """One across each end; those of other classes stay, and the order of the list plays no part."""
    labels = [i % classes for i in range(len(names))]
    before = dict(zip(names, cut_by_class(labels, names), strict=True))
    order = data.draw(st.permutations(range(len(names))))
    shuffled = cut_by_class([labels[i] for i in order], [names[i] for i in order])
    assert {names[i]: split for i, split in zip(order, shuffled, strict=True)} == before
    after = dict(zip([*names, "new"], cut_by_class([*labels, 0], [*names, "new"]), strict=True))
    moved = [label for name, label in zip(names, labels, strict=True) if after[name] != before[name]]
    assert len(moved) <= 2
    assert set(moved) <= {0}
