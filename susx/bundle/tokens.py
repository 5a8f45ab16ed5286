"""An encoder's own tokenizer, written for a bundle and compared with itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from susx.bundle.bundle_description import TextFacts
from susx.bundle.tokenize_texts import Sentences
from susx.errors import ConfigError
from susx.features.encoder import Encoder

__all__ = ["TRIED", "write_tokenizer"]

TRIED = (
    "", "a photo of a cat.", "A PHOTO of a Dog, it's 2024!", "polka-dotted_cloth", "Straße, café & naïve", "東京 タワー", "“quotes” — dash…",
    "two  spaces\tand\na line", "&amp;lt;b&amp;gt; 100 %", "word " * 200, "😀 ☃", "I'LL don't we're",
)  # fmt: skip
"""Texts whose tokens must be the library's, beside the names of the classes."""

_CLEAN = {"_clean_lower": "lower", "_clean_whitespace": "whitespace", "_clean_canonicalize": "canonicalize"}


def write_tokenizer(encoder: Encoder, path: Path, names: Sequence[str]) -> TextFacts:
    """Write an encoder's tokenizer to a file and return how its texts are cleaned, cut and padded.

    Raises:
        ConfigError: the tokenizer is of a kind that a bundle does not have, or gives other tokens from the file.
    """
    tokenizer = encoder.tokenizer
    clean: Any = _CLEAN.get(getattr(getattr(tokenizer, "clean_fn", None), "__name__", ""))
    kind = type(tokenizer).__name__
    if clean is None or kind not in ("SimpleTokenizer", "HFTokenizer"):
        raise _refused(encoder.id, f"its texts are made tokens by {kind}")
    if (
        getattr(tokenizer, "reduction_fn", None)
        or getattr(tokenizer, "strip_sep_token", False)
        or getattr(tokenizer, "tokenizer_mode", "")
    ):
        raise _refused(encoder.id, "its tokenizer leaves tokens out in a way of its own")
    context = int(tokenizer.context_length)
    if kind == "SimpleTokenizer":
        _byte_pairs(tokenizer).save(str(path))
        facts = TextFacts(
            kind="clip", clean=clean, context=context, start=int(tokenizer.sot_token_id), end=int(tokenizer.eot_token_id)
        )  # fmt: skip
    else:
        backend = getattr(tokenizer.tokenizer, "backend_tokenizer", None)
        if backend is None or getattr(tokenizer.tokenizer, "padding_side", "right") != "right":
            raise _refused(encoder.id, "its tokenizer is not of the library tokenizers, or pads on the left")
        backend.save(str(path))
        facts = TextFacts(
            kind="tokenizers", clean=clean, context=context, pad=int(tokenizer.tokenizer.pad_token_id or 0)
        )
    texts = [*TRIED, *names]
    tokens, wanted = Sentences(path, facts).tokens(texts), tokenizer(texts).numpy()
    if not np.array_equal(tokens, wanted):
        first = next(
            text for text, a, b in zip(texts, tokens, wanted, strict=True) if not np.array_equal(a, b)
        )
        raise _refused(encoder.id, f"its tokenizer gives other tokens from a file, first for {first[:60]!r}")
    return facts


def _byte_pairs(clip_tokenizer: Any) -> Any:
    """Return CLIP's byte-pair tokenizer as one of ``tokenizers``."""
    from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(
        models.BPE(
            vocab=clip_tokenizer.encoder, merges=list(clip_tokenizer.bpe_ranks), end_of_word_suffix="</w>"
        )
    )
    pattern = Regex(rf"(?i){clip_tokenizer.pat.pattern}")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(pattern, behavior="removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])  # fmt: skip
    special = ("<start_of_text>", "<end_of_text>")
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in special])
    return tokenizer


def _refused(encoder: str, why: str) -> ConfigError:
    return ConfigError(f"The text tower of {encoder} cannot be part of a bundle: {why}. Leave --text out.")
