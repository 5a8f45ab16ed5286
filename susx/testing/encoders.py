"""An encoder for tests of searching: words in fixed random directions, images by their mean colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from susx.encoder_id import EncoderId
from susx.seeds import derive_seed

__all__ = ["WordEncoder"]


class WordEncoder:
    """A bag of words: sentences that share words are similar. No weights, so nothing to load."""

    def __init__(self, dim: int = 32, name: str = "word-encoder") -> None:
        self.dim = dim
        self.identity = EncoderId(name, f"{derive_seed(dim, name):064x}")
        self.logit_scale = 100.0

    def encode_texts(self, texts: Sequence[str]) -> Float[Tensor, "prompts dim"]:
        """Return the unit mean of the sentences' words."""
        rows = np.zeros((len(texts), self.dim))
        for row, text in zip(rows, texts, strict=True):
            for word in sorted(set(text.lower().replace(".", " ").replace(",", " ").split())):
                row += np.random.default_rng(derive_seed(0, word)).standard_normal(self.dim)
        return torch.nn.functional.normalize(torch.from_numpy(rows).float(), dim=-1)

    def encode_images(self, images: Iterable[Image.Image | Path]) -> Float[Tensor, "query dim"]:
        """Return unit rows of the images' coarse colours."""
        rows = []
        for image in images:
            picture = image if isinstance(image, Image.Image) else Image.open(image)
            small = np.asarray(picture.convert("RGB").resize((4, 4)), dtype=np.float32).ravel() / 255 - 0.5
            rows.append(np.resize(small, self.dim))
        return torch.nn.functional.normalize(torch.from_numpy(np.stack(rows)).float(), dim=-1)
