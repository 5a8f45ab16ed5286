"""The words of a prompt that none of a pipeline's text encoders sees, because their contexts are full."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from susx.features.lost_words import lost_end, say_what_is_lost

__all__ = ["lost_words", "quiet_truncation", "warn_of_lost_words"]

log = logging.getLogger(__name__)

_NO_LIMIT = 1_000_000
"""A tokenizer that names more tokens than this names none."""


def lost_words(pipe: Any, prompt: str) -> str:
    """Return the end of ``prompt`` that has no effect, "" when all of it has.

    A word that one of several encoders reads (SD 3 and Flux have a T5 beside CLIP) has an effect. Of pipelines that put words of their
    own before a prompt (Z-Image), a few tokens more may be lost than are named.
    """
    readers = _readers(pipe)
    if not readers:
        return ""

    def tokens_of(text: str) -> tuple[tuple[int, ...], ...]:
        return tuple(
            tuple(tokenizer(text, truncation=True, max_length=limit, verbose=False).input_ids)
            for tokenizer, limit in readers
        )

    return lost_end(tokens_of, prompt)


def warn_of_lost_words(pipe: Any, prompts: set[str]) -> None:
    """Log one warning on the prompts that are too long, with the words that have no effect."""
    message = say_what_is_lost(
        ((prompt, lost_words(pipe, prompt)) for prompt in sorted(prompts)), "the model's text encoders read"
    )
    if message:
        log.warning("The prompt %s", message)


def _readers(pipe: Any) -> list[tuple[Any, int]]:
    """Return each tokenizer whose encoder is there, with the tokens that the pipeline takes of it; none where one takes all.

    CLIP's positions end where its tokenizer says. Others read as much as ``max_sequence_length`` of the pipeline's call.
    """
    call = inspect.signature(type(pipe).__call__).parameters.get("max_sequence_length")
    asked = call.default if call is not None and isinstance(call.default, int) else None
    readers = []
    for suffix in ("", "_2", "_3", "_4"):
        tokenizer = getattr(pipe, f"tokenizer{suffix}", None)
        if tokenizer is None or getattr(pipe, f"text_encoder{suffix}", None) is None:
            continue
        clip = "CLIP" in type(tokenizer).__name__
        limit = (
            tokenizer.model_max_length if clip or asked is None else min(asked, tokenizer.model_max_length)
        )
        if limit > _NO_LIMIT:
            return []
        readers.append((tokenizer, int(limit)))
    return readers


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
