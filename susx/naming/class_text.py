"""The sentences of one class as an encoder reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from susx.features.encoder import Encoder

__all__ = ["ClassText", "encode_class"]


@dataclass(frozen=True)
class ClassText:
    """What is said of a class, encoded.

    Attributes:
        sentences: one unit row a sentence.
        logit_scale: the model's, for cosines with these.
        by_own_name: the rows of the sentences that the class's own name would have had; None where it is called by it.
    """

    sentences: Float[Tensor, "prompts dim"]
    logit_scale: float
    by_own_name: Float[Tensor, "own_prompts dim"] | None = None


def encode_class(encoder: Encoder, sentences: Sequence[str], by_own_name: Sequence[str]) -> ClassText:
    """Encode the sentences of a class, and those of its own name where they are others."""
    rows = encoder.encode_texts(sentences)
    own_rows = encoder.encode_texts(by_own_name) if tuple(sentences) != tuple(by_own_name) else None
    return ClassText(rows, encoder.logit_scale, own_rows)
