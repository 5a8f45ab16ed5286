"""Encoders for tests: words in fixed random directions and images by their mean colours; a small CLIP of random weights."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from susx.config import EncoderConfig
from susx.encoder_id import EncoderId
from susx.seeds import derive_seed

__all__ = ["WordEncoder", "random_clip"]


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


def random_clip(folder: Path, name: str = "susx-random-clip", dim: int = 128) -> EncoderConfig:
    """Make a small architecture known to open_clip in this process, and write random weights of it into a folder."""
    import open_clip
    from safetensors.torch import save_file

    config = {
        "embed_dim": dim, "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    }  # fmt: skip
    (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder / f"{name}.json")
    save_file(open_clip.create_model(name).state_dict(), folder / "random.safetensors")
    return EncoderConfig(model=name, pretrained=str(folder / "random.safetensors"), device="cpu")
