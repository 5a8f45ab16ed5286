"""CLIP-like encoders through open_clip's public API, BLIP and TCL: images and sentences to unit vectors."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from susx.activity import doing
from susx.config import EncoderConfig
from susx.device import find_device
from susx.encoder_id import EncoderId
from susx.errors import InputError, SourceChanged
from susx.features.identity import BLIP, TCL, LocatedEncoder, identify_encoder
from susx.features.lost_words import lost_end, say_what_is_lost
from susx.features.open_clip_load import load_open_clip
from susx.image_files import LOCAL, open_image, upright_rgb

__all__ = ["Encoder", "load_encoder"]

logger = logging.getLogger(__name__)

INPUT_TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
"""Precision -> type of the pixels that a model of it takes."""

_SHORTEST_CONTEXT = 16
"""Tokens that every encoder reads: the shortest context of open_clip's."""


class Encoder:
    """One open_clip model with its preprocessing and tokenizer.

    Attributes:
        identity: which encoder it is.
        weights: local checkpoint file or folder; None for a model made in memory.
        dim: width of the joint space.
        logit_scale: the model's own factor on cosines (100 for OpenAI CLIP).
        logit_bias: what a model trained with a sigmoid loss (SigLIP) adds to scaled cosines, so that sigmoid(scale * cosine +
            bias) is the probability that a sentence fits an image; None for those trained with a softmax.
    """

    def __init__(
        self,
        identity: EncoderId,
        model: Any,
        preprocess: Callable[[Image.Image], Tensor],
        tokenizer: Any,
        *,
        device: str,
        batch_size: int,
        workers: int,
        weights: Path | None = None,
    ) -> None:
        self.identity = identity
        self.weights = weights
        self.model = model.eval()
        self.preprocess = preprocess
        self.tokenizer = tokenizer
        self.device = torch.device(device)
        self.batch_size = batch_size
        self.workers = workers
        self.logit_scale = float(model.logit_scale.exp().item())
        bias = getattr(model, "logit_bias", None)
        self.logit_bias = None if bias is None else float(bias.item())
        self.dim = int(self.encode_texts(["a"]).shape[1])

    @property
    def id(self) -> str:
        """Architecture name."""
        return self.identity.model

    @property
    def digest(self) -> str:
        """Sha256 over architecture and weights."""
        return self.identity.digest

    def encode_images(self, images: Iterable[Image.Image | Path | Tensor]) -> Float[Tensor, "query dim"]:
        """Return unit rows for images (pictures, paths, or what ``prepare`` made of them), in their order; memory holds two batches at a time.

        Raises:
            InputError: a path cannot be decoded (curated images always can).
        """
        rows = []
        with doing("encode images", len(images) if isinstance(images, Sized) else None) as advance:
            for batch in self._batches(images):
                rows.append(self._normalise(self._pooled(batch)))
                advance(len(batch))
        return torch.cat(rows) if rows else torch.zeros(0, self.dim)

    def encode_patches(
        self, images: Iterable[Image.Image | Path | Tensor]
    ) -> Float[Tensor, "query patches dim"]:
        """Return unit rows for every patch of every image, projected into the joint space.

        Raises:
            InputError: the architecture yields no patch tokens (only open_clip's own vision transformers do).
        """
        visual: Any = getattr(self.model, "visual", None)
        if not hasattr(visual, "forward_intermediates") or getattr(visual, "proj", None) is None:
            raise InputError(
                f"The encoder {self.id} yields no patch features; CALIP needs a vision transformer of open_clip's "
                "own kind (ViT-B-32, ViT-B-16, ViT-L-14 ...)."
            )
        rows = []
        for batch in self._batches(images):
            with torch.inference_mode(), self._autocast():
                out = visual.forward_intermediates(
                    batch, indices=1, output_fmt="NLC", normalize_intermediates=True, intermediates_only=True
                )
                rows.append(self._normalise(out["image_intermediates"][-1].float() @ visual.proj.float()))
        return torch.cat(rows) if rows else torch.zeros(0, 0, self.dim)

    def pixels(
        self, images: Iterable[Image.Image | Path | Tensor]
    ) -> Float[Tensor, "query channels height width"]:
        """Return the model's input for a batch of images, on its device.

        Raises:
            InputError: a path cannot be decoded.
        """
        return self._stack([self.prepare(image) for image in images])

    def encode_texts(self, texts: Sequence[str]) -> Float[Tensor, "prompts dim"]:
        """Return unit rows for sentences, in their order. A warning names the words that do not fit the encoder's context."""
        lost = ((text, self.lost_words(text)) for text in dict.fromkeys(texts))
        if message := say_what_is_lost(lost, f"the encoder {self.id} reads"):
            logger.warning("%s", message)
        rows = []
        with doing("encode sentences", len(texts)) as advance:
            for start in range(0, len(texts), self.batch_size):
                tokens = self.tokenizer(list(texts[start : start + self.batch_size])).to(self.device)
                with torch.inference_mode(), self._autocast():
                    rows.append(self._normalise(self.model.encode_text(tokens)))
                advance(len(tokens))
        return torch.cat(rows) if rows else torch.zeros(0, self.dim)

    def lost_words(self, text: str) -> str:
        """Return the end of a text that the encoder never sees, "" where all of it counts."""
        context = getattr(self.tokenizer, "context_length", None) or _SHORTEST_CONTEXT
        if len(text.encode("utf-8", "surrogatepass")) + 3 <= context:  # a token is a byte or more
            return ""
        return lost_end(self._tokens, text)

    def _tokens(self, text: str) -> tuple[int, ...]:
        tokens = self.tokenizer([text])
        return tuple((tokens if isinstance(tokens, Tensor) else tokens["input_ids"])[0].tolist())

    def _pooled(self, batch: Tensor) -> Tensor:
        with torch.inference_mode(), self._autocast():
            return self.model.encode_image(batch)  # type: ignore[no-any-return]

    def _batches(self, images: Iterable[Image.Image | Path | Tensor]) -> Iterator[Tensor]:
        if isinstance(images, Sequence) and len(images) == 1:  # what a service is asked: not worth a thread
            yield self._stack([self.prepare(images[0])])
            return
        # One thread decodes the next batch while the model works on this one.
        with ThreadPoolExecutor(max(1, self.workers)) as pool:
            pending = None
            for chunk in _chunks(images, self.batch_size):
                following = [pool.submit(self.prepare, image) for image in chunk]
                if pending is not None:
                    yield self._stack([loaded.result() for loaded in pending])
                pending = following
            if pending is not None:
                yield self._stack([loaded.result() for loaded in pending])

    def _stack(self, pixels: list[Tensor]) -> Tensor:
        batch = torch.stack(pixels)
        # Not that of a parameter: in open_clip's half precision some stay in single (positional_embedding, norms).
        return batch.to(self.device, INPUT_TYPES[self.identity.precision])

    def prepare(self, image: Image.Image | Path | Tensor) -> Float[Tensor, "channels height width"]:
        """Return the model's input for an image; such an input is returned as it is.

        Raises:
            InputError: a path cannot be decoded.
        """
        if isinstance(image, Tensor):
            return image
        return self.preprocess(
            upright_rgb(image) if isinstance(image, Image.Image) else open_image(image, LOCAL)
        )

    def _normalise(self, rows: Tensor) -> Tensor:
        return torch.nn.functional.normalize(rows.float(), dim=-1).cpu()

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        return contextlib.nullcontext()


def load_encoder(config: EncoderConfig) -> Encoder:
    """Load an encoder through open_clip; the most recent ones stay in memory.

    Raises:
        ModelError: unknown architecture, missing weights, or a checkpoint that does not fit it.
    """
    return _load(identify_encoder(config), config)


@functools.lru_cache(maxsize=2)
def _load(located: LocatedEncoder, config: EncoderConfig) -> Encoder:
    device = find_device(config.device)
    load = {BLIP: _load_blip, TCL: _load_tcl}.get(config.model, load_open_clip)
    with doing(f"load the encoder {located.id.model}"):
        model, preprocess, tokenizer = load(located, config, device)
    if identify_encoder(config) != located:  # or what was read of both would be kept in memory as the one
        raise SourceChanged.of("the encoder's weights", "load", located.id.model)
    logger.info("loaded encoder %s on %s", located.id, device)
    return Encoder(
        located.id,
        model,
        preprocess,
        tokenizer,
        device=device,
        batch_size=config.batch_size,
        workers=config.workers,
        weights=located.weights,
    )


def _load_blip(located: LocatedEncoder, config: EncoderConfig, device: str) -> tuple[Any, Any, Any]:
    from susx.features.blip import load_blip

    return load_blip(located, device)


def _load_tcl(located: LocatedEncoder, config: EncoderConfig, device: str) -> tuple[Any, Any, Any]:
    from susx.features.tcl import load_tcl

    return load_tcl(located, device)


def _chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    chunk: list[Any] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
