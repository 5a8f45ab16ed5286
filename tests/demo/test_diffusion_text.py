"""Tokenizer and training prompts of the embedded diffusion model."""

from __future__ import annotations

import numpy as np
import pytest

from susx.demo.diffusion_parts import CONTEXT
from susx.demo.diffusion_text import FILLER, TEMPLATES, build_tokenizer, training_prompt
from susx.demo.textures import CATEGORIES


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """A freshly learnt tokenizer."""
    return build_tokenizer(tmp_path_factory.mktemp("words"))


def test_every_known_word_is_one_token(tokenizer):
    """Categories and filler words; a hyphen is a token of its own."""
    for word in (*FILLER, *(part for name in CATEGORIES for part in name.split("-"))):
        assert len(tokenizer(word).input_ids) == 3, word


def test_any_text_survives(tokenizer):
    """Unknown words and emoji fall back to bytes and come back."""
    ids = tokenizer("unforeseen quilt 🧶").input_ids
    assert tokenizer.decode(ids, skip_special_tokens=True).replace(" ", "") == "unforeseenquilt🧶"


def test_learning_twice_gives_the_same_files(tmp_path):
    """The vocabulary depends on the words alone."""
    for name in "ab":
        build_tokenizer(tmp_path / name)
    for file in ("vocab.json", "merges.txt"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_training_prompts_name_their_category_first_and_fit(tokenizer):
    """The first category named is the one drawn, and it is within the context."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        category = str(rng.choice(CATEGORIES))
        prompt = training_prompt(category, rng)
        assert category in prompt
        own = prompt.index(category)
        assert not [c for c in CATEGORIES if f" {c} " in f" {prompt[:own]}"]
        assert len(tokenizer(prompt[: own + len(category)]).input_ids) <= CONTEXT


def test_templates_hold_the_photo_prompt_of_the_data_set():
    """What the demo asks for is among what was trained."""
    assert "{} texture." in TEMPLATES
