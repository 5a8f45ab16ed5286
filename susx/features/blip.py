"""BLIP (Li et al., ICML 2022) behind the encoders' door: the image-text contrastive head of transformers' retrieval model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from susx.errors import ModelError
from susx.features.identity import LocatedEncoder

__all__ = ["TYPES", "Blip", "Processed", "load_blip"]

_TOKENS = 35
"""Sentences are padded and cut to this many tokens, as in BLIP's own retrieval."""
_SCALE = 100.0
TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class Blip(nn.Module):
    """Images and sentences to the projections of their first tokens.

    transformers keeps no temperature of the contrastive head; ``logit_scale`` says CLIP's 100.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.logit_scale = torch.tensor(math.log(_SCALE))

    def encode_image(self, pixels: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch dim"]:
        """Return the projection of the vision transformer's CLS token."""
        states = self.model.vision_model(pixel_values=pixels).last_hidden_state
        return self.model.vision_proj(states[:, 0])  # type: ignore[no-any-return]

    def encode_text(self, tokens: Any) -> Float[Tensor, "batch dim"]:
        """Return the projection of the text transformer's CLS token; padding is not looked at."""
        states = self.model.text_encoder(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        ).last_hidden_state
        return self.model.text_proj(states[:, 0])  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Processed:
    """A picture as transformers' image processor gives it; the processor can be asked how."""

    processor: Any

    def __call__(self, image: Image.Image) -> Float[Tensor, "3 height width"]:
        """Return the model's input."""
        pixels: Tensor = self.processor(image, return_tensors="pt")["pixel_values"][0]
        return pixels


def load_blip(
    located: LocatedEncoder, device: str
) -> tuple[Blip, Callable[[Image.Image], Tensor], Callable[[list[str]], Any]]:
    """Return model, preprocessing and tokenizer of a folder as transformers saves it.

    Raises:
        ModelError: the folder does not hold a BLIP retrieval model with processor and tokenizer, or lacks weights of it.
    """
    from transformers import AutoTokenizer, BlipForImageTextRetrieval, BlipImageProcessor
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    folder: Path = located.weights
    model: Any
    account: Any
    try:
        model, account = BlipForImageTextRetrieval.from_pretrained(  # type: ignore[misc]
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True,
            torch_dtype=TYPES[located.id.precision],
        )  # fmt: skip
        processor = BlipImageProcessor.from_pretrained(folder, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(
            f"{folder}: cannot be loaded as a BLIP retrieval model ({type(error).__name__}: {reason}). Give the folder of a "
            "BlipForImageTextRetrieval with model.safetensors, preprocessor_config.json and its tokenizer."
        ) from error
    lacking = [name for name in account["missing_keys"] if not name.startswith("itm_head")]
    if lacking or account["mismatched_keys"]:
        raise ModelError(
            f"{folder}: the weights of {', '.join(lacking[:3]) or account['mismatched_keys'][0]} are not there: this is no "
            "BLIP retrieval model. Give the folder of a BlipForImageTextRetrieval."
        )

    def tokenize(texts: list[str]) -> Any:
        return tokenizer(
            texts, padding="max_length", truncation=True, max_length=_TOKENS, return_tensors="pt"
        )

    return Blip(model.eval()).to(device), Processed(processor), tokenize
