"""The words of a prompt that a text encoder never sees, because its context is full."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["lost_words", "quiet_truncation", "warn_of_lost_words"]

log = logging.getLogger(__name__)


def lost_words(tokenizer: Any, prompt: str) -> str:
    """Return the end of ``prompt`` that does not fit the tokenizer's context, "" when all of it fits.

    When several tokenizers feed a model (SDXL, SD3), the words lost to the first are those of its own context.
    """
    limit = int(tokenizer.model_max_length)
    ids = tokenizer(prompt, truncation=False, verbose=False).input_ids
    special = tokenizer.num_special_tokens_to_add()
    if len(ids) <= limit or special >= limit:
        return ""
    kept = limit - special
    plain = [token for token in ids if token not in tokenizer.all_special_ids]
    return str(tokenizer.decode(plain[kept:])).strip()


def warn_of_lost_words(pipe: Any, prompts: set[str]) -> None:
    """Log one warning per prompt that is too long, with the words that have no effect."""
    tokenizer = getattr(pipe, "tokenizer", None)
    if tokenizer is None:
        return
    for prompt in sorted(prompts):
        words = lost_words(tokenizer, prompt)
        if words:
            log.warning(
                "The prompt '%.80s...' is longer than the model's %d tokens; these words have no effect: '%s'.",
                prompt, tokenizer.model_max_length, words,
            )  # fmt: skip


@contextmanager
def quiet_truncation(pipe: Any) -> Iterator[None]:
    """Drop diffusers' own message on truncation, which it would repeat for every batch."""
    logger = logging.getLogger(type(pipe).__module__)

    def other(record: logging.LogRecord) -> bool:
        return "truncated because" not in record.getMessage()

    logger.addFilter(other)
    try:
        yield
    finally:
        logger.removeFilter(other)
