"""Captions: reproducible, noisy in the stated shares, and about the picture's colours."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from susx.demo.captions import (
    VAGUE_SHARE,
    WRONG_SHARE,
    caption,
    caption_kind,
    dominant_colours,
)
from susx.demo.textures import CATEGORIES
from susx.demo.vocabulary import NAME_SHARE, OBJECTS, SYNONYMS


def test_every_category_has_words_and_objects() -> None:
    """No category lacks synonyms or objects, and no word list names an unknown category."""
    assert set(SYNONYMS) == set(OBJECTS) == set(CATEGORIES)


@pytest.mark.parametrize("category", ["striped", "bumpy", "cobwebbed"])
def test_the_kinds_come_in_the_stated_shares(category: str) -> None:
    """Wrong, vague, named and reworded captions are as frequent as the constants say (within four standard errors)."""
    rng = np.random.default_rng(0)
    count = 10_000
    kinds = Counter(caption_kind(category, rng) for _ in range(count))
    named = (1 - WRONG_SHARE - VAGUE_SHARE) * NAME_SHARE[category]
    for kind, share in (("wrong", WRONG_SHARE), ("vague", VAGUE_SHARE), ("right", named)):
        assert abs(kinds[kind] / count - share) < 4 * np.sqrt(share * (1 - share) / count)


def test_some_names_are_common_and_some_are_rare() -> None:
    """Words differ in how often people use them, which is what leaves an encoder unsure of some."""
    assert max(NAME_SHARE.values()) >= 2 * min(NAME_SHARE.values()) > 0


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_right_caption_says_the_category_and_a_vague_or_wrong_one_does_not(category: str) -> None:
    """The words match the kind: the category's own name is in right captions and in no vague or wrong one."""
    rng = np.random.default_rng(1)
    words = {
        kind: [caption(category, rng, kind=kind) for _ in range(30)] for kind in ("right", "vague", "wrong")
    }
    assert all(category in text.lower() for text in words["right"])
    assert not any(
        name in text.lower().replace("pattern", "") for text in words["vague"] for name in CATEGORIES
    )
    whole = [
        text.lower().replace("polka-dotted", "" if category == "dotted" else "polka-dotted")
        for text in words["wrong"]
    ]
    assert not any(f" {category} " in f" {text.replace(',', ' ').replace('.', ' ')} " for text in whole)


def test_a_caption_depends_on_its_generator_only() -> None:
    """The same seed writes the same caption."""
    one, two = (caption("woven", np.random.default_rng(5), ("red", "blue")) for _ in range(2))
    assert one == two


def test_dominant_colours_names_both_halves_larger_first() -> None:
    """A picture three quarters white and one quarter blue is white and blue."""
    pixels = np.full((8, 8, 3), 245, np.uint8)
    pixels[:2] = (30, 70, 190)
    assert dominant_colours(pixels) == ("white", "blue")


def test_a_plain_picture_has_one_colour() -> None:
    """Nothing divides a plain picture into halves: its one colour is said twice."""
    assert dominant_colours(np.full((8, 8, 3), 20, np.uint8)) == ("black", "black")
