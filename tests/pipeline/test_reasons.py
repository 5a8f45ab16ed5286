"""Reasons of a dry run: what is said to differ can be seen to differ."""

from __future__ import annotations

import pytest

from susx.pipeline.executors import changes

LONG = "a photo of a banded texture, seen from above in the light of the morning, "


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (LONG + "red", LONG + "blue"),
        ([{"text": LONG, "exclude": []}], [{"text": LONG, "exclude": ["flag"]}]),
        ([{"text": LONG, "wanted": 6}], [{"text": LONG, "wanted": 9}]),
        ([LONG + "red", LONG], [LONG + "blue", LONG]),
        ([LONG], [LONG, LONG]),
        ([LONG + str(n) for n in range(9)], [LONG + str(n + 1) for n in range(9)]),
        (LONG, LONG + "and more"),
        ("short", "other"),
    ],
)
def test_both_sides_differ(old, new):
    """However long the values, no reason shows the same text before and after the arrow, and none is long."""
    reasons = changes({"params": {"x": old}}, {"params": {"x": new}})
    assert 1 <= len(reasons) <= 4
    for reason in reasons:
        before, arrow, after = reason.partition(": ")[2].partition(" -> ")
        assert (arrow and before != after) or "more differences" in reason, reason
        assert len(reason) < 160


@pytest.mark.parametrize(
    ("hints", "per_class", "said"),
    [
        ({"exclude": ["flag"]}, 2, "queries[0].exclude: [] -> ['flag']"),
        ({"context": "knitted wool"}, 2, "knitted wool"),
        ({}, 3, "queries[0].wanted: 4 -> 6"),
    ],
)
def test_hints_and_counts_are_named(world, hints, per_class, said):
    """A class's excluded words, its context and the number of images show as themselves."""
    world.write(hints={"banded": hints} if hints else {})
    world.change(per_class=per_class)
    planned = {(e.job.stage, e.job.subject): e for e in world.plan()}
    text = "; ".join(planned["search", "banded"].reasons)
    assert said in text
    assert "more differences" not in text
