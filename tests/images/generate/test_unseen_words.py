"""Prompts longer than the context."""

from __future__ import annotations

import logging

import pytest

from susx.images.generate import draw, plan_requests
from susx.images.generate.unseen_words import lost_words
from susx.testing import tiny_pipelines


def test_lost_words_are_those_past_the_context(painter):
    """46 one-token words fit a context of 48; the rest is named."""
    assert lost_words(painter.pipe, " ".join(["stone"] * 46)) == ""
    assert lost_words(painter.pipe, " ".join(["stone"] * 46) + " wool rope") == "wool rope"


@pytest.mark.parametrize(
    ("make", "reads"),
    [(tiny_pipelines.flux, 512), (tiny_pipelines.sd3, 256), (tiny_pipelines.sana, 300), (tiny_pipelines.qwen_image, 512)],
)  # fmt: skip
def test_a_word_that_one_encoder_reads_is_not_lost(make, reads):
    """Flux and SD 3 have a T5 beside CLIP's 77 tokens; Sana and Qwen-Image cut at a length that no tokenizer names."""
    pipe = make()
    tokenizers = [getattr(pipe, name, None) for name in ("tokenizer", "tokenizer_2", "tokenizer_3")]
    most = min(reads, max(t.model_max_length for t in tokenizers if t is not None))
    per_word = max(
        len(t("stone stone", add_special_tokens=False).input_ids) / 2 for t in tokenizers if t is not None
    )
    fits, longer = int(0.5 * most / per_word), int(2 * most)
    assert lost_words(pipe, " ".join(["stone"] * fits)) == ""
    lost = lost_words(pipe, " ".join(["stone"] * longer) + " with purple rope")
    assert lost.endswith("with purple rope")
    assert longer - most <= lost.count("stone") + 1


def test_without_its_t5_sd3_reads_what_clip_reads():
    """A dropped encoder reads nothing, though its tokenizer is there."""
    pipe = tiny_pipelines.sd3()
    prompt = " ".join(["stone"] * 100)
    with_t5 = lost_words(pipe, prompt)
    pipe.text_encoder_3 = None
    assert len(lost_words(pipe, prompt)) >= len(with_t5)
    assert lost_words(pipe, prompt)


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
