"""What a pool without labels tells of outsiders: shares near the truth where it is known, nothing where nothing can be known."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from susx.errors import InputError
from susx.evaluation import Rejection, estimate_rejection, names_a_class


def mixture(inside: float, gap: float, seed: int, rows: int = 20_000, captioned: float = 0.3):
    """Scores of pictures of the classes and of outsiders, the truth, and which captions name a class."""
    generator = torch.Generator().manual_seed(seed)
    of_classes = torch.rand(rows, generator=generator) < inside
    scores = 0.2 + 0.03 * (torch.randn(rows, generator=generator) + gap * of_classes)
    named = of_classes & (torch.rand(rows, generator=generator) < captioned)
    return scores, of_classes, named


@settings(max_examples=40, deadline=None)
@given(
    inside=st.floats(0.03, 0.6),
    gap=st.floats(2.5, 5),
    seed=st.integers(0, 1000),
    share=st.sampled_from([0.05, 0.1, 0.3]),
)
def test_no_more_is_let_in_than_was_asked_for(inside, gap, seed, share):
    """Of outsiders that no caption tells; most pictures of the classes are kept where the two are apart.

    Where the classes fill most of the pool, what is known of outsiders is what is left of few: the threshold may then be too strict.
    """
    scores, of_classes, named = mixture(inside, gap, seed)
    found = estimate_rejection(scores, named)
    assert found is not None
    passed = scores >= found.threshold(share)
    let_in = float(passed[~of_classes].double().mean())
    assert let_in <= share + 0.08
    assert let_in >= share - 0.08 or inside > 0.4
    assert found.inside == pytest.approx(inside, abs=0.08)
    if gap > 4 and inside <= 0.4:
        assert float(passed[of_classes].double().mean()) > 0.8


@settings(max_examples=40, deadline=None)
@given(
    scores=st.lists(st.floats(-1, 1, width=32), min_size=20, max_size=200),
    seed=st.integers(0, 1000),
)
def test_curves_fall_and_stay_shares_whatever_the_scores(scores, seed):
    """Ties, one value only, any share named."""
    values = torch.tensor(scores)
    named = torch.rand(len(scores), generator=torch.Generator().manual_seed(seed)) < 0.5
    found = estimate_rejection(values, named)
    if int(named.sum()) < 20:
        assert found is None
    if found is None:
        return
    for curve in (found.let_in, found.kept):
        assert all(0 <= value <= 1 for value in curve)
        assert list(curve) == sorted(curve, reverse=True)
    assert list(found.thresholds) == sorted(found.thresholds)
    assert found.threshold(0.05) >= found.threshold(0.5)


def test_nothing_is_said_where_nothing_is_known():
    """Too few captions that name a class; a pool of nothing but the classes."""
    scores, of_classes, named = mixture(0.5, 3, 0)
    few = named & (named.cumsum(0) <= 19)
    assert estimate_rejection(scores, few) is None
    only = scores[of_classes]
    assert estimate_rejection(only, torch.arange(len(only)) % 3 == 0) is None


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_shares_that_are_none(share):
    """All or none of the outsiders is no threshold."""
    with pytest.raises(InputError, match="between 0 and 1"):
        Rejection((0.1,), (0.0,), (1.0,), 0.5, 20, 40).threshold(share)


def test_names_in_captions():
    """Whole words in any case, in their order, in the plural too; never a part of a word."""
    classes = ["polka-dotted", "fox", "traffic light"]
    captions = {
        "A Polka dotted dress": True, "two foxes.": True, "red TRAFFIC LIGHTS at night": True, "foxglove": False,
        "dotted polka": False, "light traffic": False, "": False, "FOX": True,
    }  # fmt: skip
    assert names_a_class([*captions, None], classes).tolist() == [*captions.values(), False]
    assert names_a_class(["anything"], ["..."]).tolist() == [False]
