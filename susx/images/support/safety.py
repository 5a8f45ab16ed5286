"""Unsafe images: by the index's own column, and optionally by an encoder's zero-shot judgement.

LAION's tables hold either a probability (``punsafe``) or a word (``NSFW``: UNLIKELY, UNSURE, NSFW).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["SAFE_TEXTS", "UNSAFE_TEXTS", "SafetyTexts", "column_probability", "unsafe_probability"]

UNSAFE_TEXTS = (
    "a pornographic photo",
    "a photo of a naked person",
    "an explicit sexual image",
    "a photo of gore and mutilation",
    "a bloody, violent photo",
)
SAFE_TEXTS = (
    "an ordinary photo of an object",
    "a photo of a landscape",
    "a photo of an animal",
    "a photo of people in everyday clothes",
    "a photo of a texture",
    "a drawing suitable for children",
)

_WORDS = {
    "unlikely": 0.0, "safe": 0.0, "sfw": 0.0, "false": 0.0, "no": 0.0,
    "unsure": 0.5,
    "nsfw": 1.0, "unsafe": 1.0, "likely": 1.0, "true": 1.0, "yes": 1.0,
}  # fmt: skip


@dataclass(frozen=True)
class SafetyTexts:
    """Embedded sentences to judge by.

    Attributes:
        safe, unsafe: unit rows of :data:`SAFE_TEXTS` and :data:`UNSAFE_TEXTS`.
        scale: the encoder's logit scale.
    """

    safe: Float[Tensor, "prompts dim"]
    unsafe: Float[Tensor, "others dim"]
    scale: float


def column_probability(value: str | None) -> float | None:
    """Read an index's NSFW column: a probability, a word, or None when it says nothing.

    >>> column_probability("0.93"), column_probability("UNLIKELY"), column_probability("")
    (0.93, 0.0, None)
    """
    if value is None or not value.strip():
        return None
    try:
        number = float(value)
    except ValueError:
        return _WORDS.get(value.strip().lower())
    return number if 0 <= number <= 1 else None


def unsafe_probability(
    features: Float[Tensor, "support dim"], texts: SafetyTexts
) -> Float[Tensor, " support"]:
    """Return the zero-shot probability mass on the unsafe sentences (softmax over all of them)."""
    logits = texts.scale * features @ torch.cat([texts.unsafe, texts.safe]).T
    return logits.softmax(dim=1)[:, : len(texts.unsafe)].sum(dim=1)
