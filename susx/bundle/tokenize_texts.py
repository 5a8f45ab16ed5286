"""Sentences to tokens without open_clip or transformers: its cleaning of texts, and a tokenizer in the form of ``tokenizers``.

The vocabulary is in ``tokenizer.json``; how texts are cleaned, cut and padded is told in ``bundle.json``. On export the tokens are compared
with the library's own.
"""

from __future__ import annotations

import html
import string
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from susx.bundle.bundle_description import TextFacts
from susx.errors import InputError

__all__ = ["Sentences"]

_PUNCTUATION = str.maketrans("", "", string.punctuation)


def _basic(text: str) -> str:
    import ftfy

    return html.unescape(html.unescape(ftfy.fix_text(text))).strip()


def _spaced(text: str) -> str:
    return " ".join(text.split())


_CLEAN: dict[str, Callable[[str], str]] = {
    "lower": lambda text: _spaced(_basic(text)).lower(),
    "whitespace": lambda text: _spaced(_basic(text)),
    "canonicalize": lambda text: _spaced(_basic(text).replace("_", " ").translate(_PUNCTUATION).lower()),
    "none": lambda text: text,
}
"""open_clip's ways of cleaning a text (``open_clip.tokenizer``)."""


class Sentences:
    """The tokenizer of a bundle.

    Raises:
        InputError: ``tokenizer.json`` is none.
    """

    def __init__(self, path: Path, facts: TextFacts) -> None:
        from tokenizers import Tokenizer

        self.facts = facts
        try:
            self._tokenizer: Any = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises Exception itself
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"{path} is no tokenizer ({reason}). Export the bundle anew with --text."
            ) from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        if facts.kind == "tokenizers":
            self._tokenizer.enable_truncation(facts.context)

    def tokens(self, texts: Sequence[str]) -> Int64[np.ndarray, "sentences context"]:
        """Return a row of tokens for each text, cut and padded as the text tower was trained."""
        clean = _CLEAN[self.facts.clean]
        rows = np.full((len(texts), self.facts.context), self.facts.pad, dtype=np.int64)
        for row, text in zip(rows, texts, strict=True):
            ids = self._ids(clean(text))
            row[: len(ids)] = ids
        return rows

    def _ids(self, text: str) -> list[int]:
        if self.facts.kind == "tokenizers":
            return list(self._tokenizer.encode(text).ids)
        ids = [self.facts.start, *self._tokenizer.encode(text, add_special_tokens=False).ids, self.facts.end]
        if len(ids) > self.facts.context:
            ids = [*ids[: self.facts.context - 1], self.facts.end]
        return ids  # type: ignore[return-value]
