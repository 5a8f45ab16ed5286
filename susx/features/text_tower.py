"""The text encoder with a gap: learned vectors in place of the first words of a sentence, differentiated through.

The model's own ``encode_text`` is called; a hook on its table of word vectors puts the learned ones where placeholders stand. So
any open_clip architecture with such a table is served, whatever its pooling or mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from susx.errors import InputError

if TYPE_CHECKING:
    from susx.features.encoder import Encoder

__all__ = ["TextTower"]

_PLACEHOLDER = "x"


class TextTower:
    """The frozen text encoder of an encoder.

    Attributes:
        digest: of the encoder.
        width: of its word vectors.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.model: Any = encoder.model
        self.tokenizer = encoder.tokenizer
        self.digest = encoder.digest
        self.device = encoder.device
        table = getattr(self.model, "token_embedding", None)
        if table is None:
            table = getattr(getattr(self.model, "text", None), "token_embedding", None)
        if not isinstance(table, torch.nn.Embedding):
            raise InputError(
                f"The text encoder of {encoder.id} has no table of word vectors of open_clip's kind, which learned "
                "prompts are put into. Use a CLIP of open_clip (ViT-B-32, RN50 ...), or leave the method out."
            )
        # Only the learned words are: without this each step would differentiate all weights as well.
        self.model.requires_grad_(False)
        self._table = table
        self.width = int(table.embedding_dim)
        row = self.tokenizer([f"{_PLACEHOLDER} {_PLACEHOLDER}"])[0]
        self._padding = int(row[-1])
        self._first = 0 if int(row[0]) == int(row[1]) else 1  # behind a start token, where there is one

    def tokens(self, names: Sequence[str], words: int) -> Int64[Tensor, "classes length"]:
        """Return the tokens of ``words`` placeholders followed by each name and a full stop.

        Raises:
            InputError: a sentence is longer than the encoder reads, so that its end would be cut off.
        """
        gap = " ".join([_PLACEHOLDER] * words)
        tokens = self.tokenizer([f"{gap} {name}." for name in names])
        shorter = self.tokenizer([f"{name}." for name in names])
        for name, row, bare in zip(names, tokens, shorter, strict=True):
            if self._length(row) < self._length(bare) + words:
                raise InputError(
                    f"'{name}' with {words} learned words before it is longer than the {row.shape[0]} tokens the text "
                    "encoder reads. Learn fewer words, or shorten the name."
                )
        return tokens.to(self.device)  # type: ignore[no-any-return]

    def word_vectors(self, sentence: str, words: int) -> Float[Tensor, "words width"]:
        """Return the vectors of the first words of a sentence, to begin from.

        Raises:
            InputError: the sentence has fewer tokens.
        """
        tokens = self.tokenizer([f"{sentence} {_PLACEHOLDER}"]).to(self.device)
        at = self._first
        if self._length(tokens[0]) < at + words:
            raise InputError(f"'{sentence}' has fewer than {words} tokens.")
        return self._table(tokens)[0, at : at + words].detach().cpu()  # type: ignore[no-any-return]

    def encode(
        self, tokens: Int64[Tensor, "classes length"], context: Float[Tensor, "*classes words width"]
    ) -> Float[Tensor, "classes dim"]:
        """Return unit rows of sentences whose placeholders are ``context``, the same for all or one for each of them; gradients
        flow to it alone."""
        at, context_length = self._first, context.shape[-2]

        def fill(module: Any, inputs: Any, vectors: Tensor) -> Tensor:
            middle = context.to(vectors.dtype).expand(len(vectors), -1, -1)
            return torch.cat([vectors[:, :at], middle, vectors[:, at + context_length :]], dim=1)

        hook = self._table.register_forward_hook(fill)
        try:
            rows = self.model.encode_text(tokens)
        finally:
            hook.remove()
        return torch.nn.functional.normalize(rows.float(), dim=-1)

    def _length(self, row: Int64[Tensor, " length"]) -> int:
        return int((row != self._padding).sum())
