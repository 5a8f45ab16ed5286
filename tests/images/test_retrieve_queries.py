"""Queries: budgets, disambiguation, and a choice of sentences that other classes do not touch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from susx.config import ClassHints
from susx.errors import InputError
from susx.images.retrieve import Candidate, queries_for
from susx.images.retrieve.queries import reworded, split_budget
from susx.images.retrieve.similarity import on_scale_of
from susx.records import Prompt


def prompts(name, *texts):
    return [Prompt(name, text, "cupl", index) for index, text in enumerate(texts)]


@given(st.integers(0, 500), st.integers(1, 40))
def test_a_split_budget_adds_up_and_is_even(budget, parts):
    """Shares sum to the budget and differ by at most one."""
    shares = split_budget(budget, parts)
    assert sum(shares) == budget
    assert len(shares) == parts
    assert max(shares) - min(shares) <= 1


def test_a_photo_prompt_is_one_query_with_over_fetch():
    """One sentence gets the whole budget times the over-fetch factor."""
    (query,) = queries_for("cat", prompts("cat", "A photo of a cat."), None, 16, over_fetch=2.5)
    assert (query.text, query.wanted, query.class_name) == ("A photo of a cat.", 40, "cat")


def test_sentences_share_the_budget_and_at_most_ten_are_used():
    """CuPL's sentences share the budget; beyond ten a seed of the class chooses, the same way every time."""
    many = prompts("cat", *(f"A cat number {n}." for n in range(30)))
    queries = queries_for("cat", many, None, 16, over_fetch=1)
    assert len(queries) == 10
    assert sum(query.wanted for query in queries) == 16
    assert queries == queries_for("cat", many, None, 16, over_fetch=1)
    assert queries != queries_for("cat", many, None, 16, over_fetch=1, seed=1)
    assert len(queries_for("cat", many, None, 3, over_fetch=1)) == 3


def test_hints_disambiguate():
    """The search name replaces the class name as a word, context is appended, excluded captions are dropped."""
    hints = ClassHints(search_name="airplane", context="aircraft", exclude=("Woodworking",))
    (query,) = queries_for("plane", prompts("plane", "A photo of a plane on a planet."), hints, 1)
    assert query.text == "A photo of a airplane on a planet, aircraft."
    assert query.prompt == "A photo of a plane on a planet."
    assert not query.admits("a WOODWORKING plane")
    assert query.admits("a woodworkings plane")
    assert query.admits(None)
    (query,) = queries_for("plane", prompts("plane", "It flies."), hints, 1)
    assert query.text == "airplane. It flies, aircraft."


def test_a_class_without_sentences_is_named():
    """An empty prompt list or budget names the class."""
    with pytest.raises(InputError, match="'dog' has no sentence"):
        queries_for("dog", prompts("cat", "A cat."), None, 4)
    with pytest.raises(InputError, match="'cat'"):
        queries_for("cat", prompts("cat", "A cat."), None, 0)


def test_other_sentences_share_the_same_budget():
    """As many images as before, over the sentences given; more sentences than images are cut."""
    before = queries_for("cat", prompts("cat", "one", "two"), None, 5, over_fetch=2)
    after = reworded(before, ["a", "b", "c"])
    assert sum(query.wanted for query in after) == sum(query.wanted for query in before)
    assert [query.text for query in after] == ["a", "b", "c"]
    assert {query.class_name for query in after} == {"cat"}
    assert len(reworded(before, [str(n) for n in range(99)])) == sum(query.wanted for query in before)


@given(st.lists(st.floats(-1, 1), min_size=1), st.lists(st.floats(-1, 1), min_size=1))
def test_similarities_move_together(reference, found):
    """The mean is that of the reference; order and distances stay."""
    moved = on_scale_of([like(value) for value in reference], [like(value) for value in found])
    values = [one.similarity for one in moved]
    assert sum(values) / len(values) == pytest.approx(sum(reference) / len(reference), abs=1e-9)
    assert [b - values[0] for b in values] == pytest.approx([b - found[0] for b in found], abs=1e-9)


def like(similarity):
    return Candidate("cat", "", "", "item", similarity)


def test_nothing_to_compare_with():
    """Without candidates found by text similarities stay as they are."""
    assert on_scale_of([], [like(0.8)]) == [like(0.8)]
    assert on_scale_of([like(0.8)], []) == []
