"""Prompts longer than the context."""

from __future__ import annotations

import logging

from susx.images.generate import draw, plan_requests
from susx.images.generate.words import lost_words


def test_lost_words_are_those_past_the_context(painter):
    """46 one-token words fit a context of 48; the rest is named."""
    tokenizer = painter.pipe.tokenizer
    assert lost_words(tokenizer, " ".join(["stone"] * 46)) == ""
    assert lost_words(tokenizer, " ".join(["stone"] * 46) + " wool rope") == "wool rope"


def test_a_long_prompt_is_drawn_with_one_warning(painter, quick, tmp_path, caplog):
    """The warning comes once for all batches and shows the words; diffusers' own does not come."""
    prompt = " ".join(["grid"] * 50) + " with purple rope"
    with caplog.at_level(logging.WARNING):
        rows = draw(painter, plan_requests("grid", [prompt], 3), tmp_path, settings=quick, batch_size=1)
    assert len(rows) == 3
    ours = [record for record in caplog.records if "have no effect" in record.getMessage()]
    assert len(ours) == 1
    assert "with purple rope'" in ours[0].getMessage()
    assert not [record for record in caplog.records if "truncated because" in record.getMessage()]
