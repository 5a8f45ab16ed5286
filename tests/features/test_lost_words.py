"""Text that does not fit an encoder's context is named, and classes that have one text for that reason."""

from __future__ import annotations

import logging

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from open_clip.tokenizer import SimpleTokenizer

from susx.config import EncoderConfig
from susx.features.encoder import load_encoder
from susx.features.lost_words import lost_end, say_what_is_lost
from susx.naming.text_classifier import classifier_from_sentences

TOKENIZER = SimpleTokenizer(context_length=16)


def tokens_of(text):
    return tuple(TOKENIZER([text])[0].tolist())


@given(st.lists(st.sampled_from(["stone", "wool", "zigzagged", "針織", "a", "42", "Ünïcode"]), max_size=30))
def test_what_is_named_has_no_effect_and_all_else_has(words):
    """Without the end that is named the tokens are the same; one character less and they are not; what fits is not named."""
    text = " ".join(words)
    lost = lost_end(tokens_of, text)
    fits = len(TOKENIZER.encode(text)) <= 14
    assert not (lost and fits)
    if (
        not lost and not fits
    ):  # the cut is within the last character, which is several tokens: no whole one is without effect
        assert tokens_of(text[:-1]) != tokens_of(text)
    if lost:
        kept = text[: len(text) - len(lost)].rstrip()
        assert tokens_of(kept) == tokens_of(text)
        assert tokens_of(kept[:-1]) != tokens_of(text)


@pytest.mark.parametrize("text", ["", " ", "stone " * 14, "stone &amp;" * 3, f"{'stone ' * 14}.", "stone   "])
def test_what_fits_is_not_named(text):
    """Blanks, entities and a full stop past the end are no lost words."""
    assert lost_end(tokens_of, text) == ""


def test_a_message_names_the_text_and_what_is_lost():
    """One sentence for many texts: the first one, its lost words, and how many more."""
    assert say_what_is_lost([("a", ""), ("b", "")], "X reads") == ""
    message = say_what_is_lost([("a", ""), ("b c", "c"), ("d e", "e")], "X reads")
    assert message == "'b c' is longer than X reads; these words have no effect: 'c'. So it is with 1 more."


def test_encoding_a_long_text_warns(caplog):
    """Whoever encodes text through an encoder is told: builds, searches, `encode`."""
    encoder = load_encoder(EncoderConfig(model="susx-tiny"))
    with caplog.at_level(logging.WARNING):
        encoder.encode_texts(["woven texture.", "woven " * 40 + "purple rope"])
    assert [record for record in caplog.records if "purple rope'" in record.getMessage()]
    caplog.clear()
    encoder.encode_texts(["woven texture."])
    assert not caplog.records


def test_classes_with_one_text_are_named(caplog):
    """Names that differ after the context, or in case only, give equal rows: both classes are named, others are not."""
    encoder = load_encoder(EncoderConfig(model="susx-tiny"))
    long = "woven " * 40
    names = ["banded", f"{long}one", f"{long}two", "Banded", "grid"]
    with caplog.at_level(logging.WARNING):
        classifier_from_sentences({name: encoder.encode_texts([name]) for name in names})
    (message,) = [record.getMessage() for record in caplog.records if "have one text" in record.getMessage()]
    assert message.startswith("2 pair(s)")
    assert "'banded' and 'Banded'" in message
    assert f"'{long}one' and '{long}two'" in message
    assert "grid" not in message


def test_near_classes_are_not_taken_for_one(caplog):
    """Rows whose cosine is 1 in float32 but that differ are two classes."""
    row = torch.nn.functional.normalize(torch.ones(1, 64), dim=1)
    other = row.clone()
    other[0, 0] += 1e-4
    with caplog.at_level(logging.WARNING):
        classifier_from_sentences({"a": row, "b": other})
    assert not caplog.records
