"""Plans: which sentence and which seed each image gets."""

from __future__ import annotations

import pytest

from susx.errors import GenerationError
from susx.images.generate import DrawSettings, plan_requests


def test_a_longer_plan_begins_with_the_shorter_one():
    """So that 50 images per class after 25 means 25 more."""
    assert plan_requests("a", ["x", "y", "z"], 50)[:25] == plan_requests("a", ["x", "y", "z"], 25)


def test_sentences_share_the_budget_evenly():
    """No sentence has two images more than another."""
    texts = [request.prompt for request in plan_requests("a", ["x", "y", "z"], 10)]
    assert sorted(texts.count(text) for text in "xyz") == [3, 3, 4]


def test_seeds_differ_between_attempts():
    """A redrawing starts from other noise."""
    (request,) = plan_requests("a", ["x"], 1)
    assert len({request.seed(attempt) for attempt in range(5)}) == 5


@pytest.mark.parametrize(("prompts", "count"), [([], 1), (["x"], 0)])
def test_nothing_to_draw_is_refused(prompts, count):
    """No sentences or no images."""
    with pytest.raises(GenerationError, match="at least one sentence"):
        plan_requests("a", prompts, count)


def test_settings_are_checked():
    """Zero steps cannot be drawn."""
    with pytest.raises(GenerationError, match="steps=0"):
        DrawSettings(steps=0)
