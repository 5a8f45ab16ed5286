"""Bottleneck adapters of a vision transformer (IMO, BMVC 2024): what they compute, how many there are, and their file.

Where they sit in an encoder is ``susx.features.adapted_encoder``, how they are trained ``susx.features.imo_training``.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import save
from torch import Tensor

from susx.encoder_id import EncoderId
from susx.errors import InputError
from susx.methods.trained_weights import check_encoder, read_weights
from susx.seeds import derive_seed

__all__ = ["HIDDEN", "STRENGTH", "Adapters", "first_adapters", "read_adapters"]

HIDDEN, STRENGTH = 64, 0.03
"""Width of the bottleneck and factor of its output, as published."""

_TENSORS = ("down", "down_bias", "up", "up_bias")


@dataclass(frozen=True)
class Adapters:
    """One bottleneck a block, parallel to the block's MLP: x' + MLP(LN x') + s (up drop(ReLU(down x' + a)) + b).

    With biases these are 2 w r + r + w numbers a block: 1,189,632 for the 12 blocks of width w = 768 of a ViT-B with r = 64.

    Attributes:
        down, down_bias, up, up_bias: the two layers of every block.
        strength: s.
        encoder: what they were trained with, as far as it is known.

    Raises:
        InputError: shapes that do not fit each other, numbers that are not finite.
    """

    down: Float[Tensor, "blocks hidden width"]
    down_bias: Float[Tensor, "blocks hidden"]
    up: Float[Tensor, "blocks width hidden"]
    up_bias: Float[Tensor, "blocks width"]
    strength: float = STRENGTH
    encoder: EncoderId = EncoderId()

    def __post_init__(self) -> None:
        shapes = {name: tuple(getattr(self, name).shape) for name in _TENSORS}
        blocks, hidden, width = (*shapes["down"], 0, 0, 0)[:3]
        expected = {
            "down": (blocks, hidden, width), "down_bias": (blocks, hidden), "up": (blocks, width, hidden),
            "up_bias": (blocks, width),
        }  # fmt: skip
        if shapes != expected or not blocks * hidden * width:
            raise InputError(
                f"Adapters: expected two layers a block, [blocks, hidden, width] and back, found {shapes}. Train again."
            )
        if not (
            math.isfinite(self.strength) and all(bool(t.isfinite().all()) for t in self.tensors.values())
        ):
            raise InputError("Adapters: their numbers are not all finite. Train again.")

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], strength: float, encoder: EncoderId) -> Adapters:
        """Return the adapters of tensors by name."""
        down, down_bias, up, up_bias = (tensors[name] for name in _TENSORS)
        return cls(down, down_bias, up, up_bias, strength, encoder)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The trained tensors by name."""
        return {name: getattr(self, name) for name in _TENSORS}

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return self.down.shape[0]

    @property
    def width(self) -> int:
        """Width of a token."""
        return self.down.shape[2]

    def check(self, encoder: EncoderId) -> None:
        """Refuse features or an encoder that the adapters were not trained with.

        Raises:
            MismatchError: names both encoders.
        """
        check_encoder("Adapters", self.encoder, encoder)

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        facts = {
            "strength": self.strength,
            "encoder": self.encoder.model,
            "encoder_digest": self.encoder.digest,
        }
        tensors = {name: value.detach().cpu().contiguous() for name, value in self.tensors.items()}
        return save(tensors, {"susx": json.dumps(facts, sort_keys=True)})

    def added(
        self,
        block: int,
        tokens: Float[Tensor, "*rows width"],
        drop: Callable[[Tensor], Tensor] = lambda hidden: hidden,
    ) -> Float[Tensor, "*rows width"]:
        """Return what a block's adapter adds, of the tokens that its MLP's norm reads."""
        down, down_bias, up, up_bias = (
            getattr(self, name)[block].to(tokens.device, tokens.dtype) for name in _TENSORS
        )
        hidden = drop((tokens @ down.T + down_bias).relu())
        update: Tensor = self.strength * (hidden @ up.T + up_bias)
        return update

    def with_tensors(self, **tensors: Tensor) -> Adapters:
        """Return them with other numbers, unchecked: a training under way."""
        other = object.__new__(Adapters)
        for field in dataclasses.fields(self):
            object.__setattr__(other, field.name, tensors.get(field.name, getattr(self, field.name)))
        return other


def first_adapters(
    blocks: int,
    width: int,
    hidden: int = HIDDEN,
    *,
    seed: int = 0,
    encoder: EncoderId = EncoderId(),
) -> Adapters:
    """Return untrained adapters: the way down as torch's linear layers begin, the way up 0, so that nothing is changed."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "imo", "layers"))

    def drawn(*shape: int) -> Tensor:
        return (torch.rand(*shape, generator=generator) * 2 - 1) / math.sqrt(width)

    return Adapters(
        drawn(blocks, hidden, width), drawn(blocks, hidden), torch.zeros(blocks, width, hidden),
        torch.zeros(blocks, width), encoder=encoder,
    )  # fmt: skip


def read_adapters(file: Path, digest: str) -> Adapters:
    """Read what ``imo_train`` wrote.

    Raises:
        InputError: the file is unreadable, not the one of this digest, or holds something else.
    """
    tensors, record = read_weights(file, digest, "IMO")
    try:
        if set(tensors) != set(_TENSORS):
            raise ValueError(f"expected {', '.join(_TENSORS)}, found {', '.join(sorted(tensors))}")
        strength = float(str(record.get("strength", STRENGTH)))
        encoder = EncoderId(str(record.get("encoder", "")), str(record.get("encoder_digest", "")))
        floats = {name: value.float() for name, value in tensors.items()}
        return Adapters.of(floats, strength, encoder)
    except (ValueError, TypeError, InputError) as error:
        raise InputError(f"{file}: holds no adapters ({error}). Name another file.") from error
