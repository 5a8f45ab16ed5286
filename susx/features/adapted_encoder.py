"""An encoder with adapters in its visual blocks: a second feature space beside the encoder's own.

The model is left as it is: a hook on the norm before a block's MLP keeps what it reads, one on the block adds the adapter's
output. So open_clip's own vision transformers and timm's, which have such blocks, are served alike.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from susx.errors import InputError, MismatchError
from susx.features.encoder import Encoder
from susx.methods.adapters import Adapters

__all__ = ["encode_adapted", "inserted", "visual_blocks", "width_of"]

_KINDS = (("transformer.resblocks", "ln_2"), ("trunk.blocks", "norm2"))
"""Where the blocks of a visual tower are, and the norm before their MLP: open_clip's, then timm's."""


def visual_blocks(encoder: Encoder) -> list[tuple[nn.Module, nn.Module]]:
    """Return the visual blocks of an encoder, each with the norm before its MLP.

    Raises:
        InputError: it has none of the kind; names the encoder.
    """
    visual = getattr(encoder.model, "visual", None)
    for attribute, norm in _KINDS:
        blocks: Any = visual
        for name in attribute.split("."):
            blocks = getattr(blocks, name, None)
        pairs = [(block, getattr(block, norm, None)) for block in blocks or ()]
        if pairs and all(isinstance(one, nn.Module) and _width(one) for _, one in pairs):
            return pairs  # type: ignore[return-value]
    raise InputError(
        f"The encoder {encoder.id} has no transformer blocks that adapters go into (a residual network, or of another kind). Use a "
        "vision transformer of open_clip (ViT-B-32, ViT-B-16, ViT-L-14 ...), or leave tip_adapter_pp and tip_x_pp out."
    )


def width_of(encoder: Encoder) -> int:
    """Return the width of the tokens that the blocks read.

    Raises:
        InputError: the encoder has no such blocks.
    """
    return _width(visual_blocks(encoder)[0][1])


@contextlib.contextmanager
def inserted(
    encoder: Encoder, adapters: Adapters, drop: Callable[[Tensor], Tensor] = lambda hidden: hidden
) -> Iterator[None]:
    """Let the encoder's visual blocks go through adapters inside a ``with``.

    Raises:
        InputError: the encoder has no blocks of the kind.
        MismatchError: the adapters are another encoder's, or for other blocks.
    """
    blocks = visual_blocks(encoder)
    adapters.check(encoder.identity)
    width = width_of(encoder)
    if (adapters.blocks, adapters.width) != (len(blocks), width):
        raise MismatchError(
            f"Adapters for {adapters.blocks} blocks of width {adapters.width}, and the encoder {encoder.id} has {len(blocks)} of "
            f"width {width}. Use adapters trained with this encoder."
        )
    with contextlib.ExitStack() as hooks:
        for number, (block, norm) in enumerate(blocks):
            read: list[Tensor] = []

            def keep(module: Any, inputs: Any, read: list[Tensor] = read) -> None:
                read[:] = [inputs[0]]

            def add(
                module: Any, inputs: Any, output: Tensor, read: list[Tensor] = read, number: int = number
            ) -> Tensor:
                return output + adapters.added(number, read.pop(), drop)

            for hook in (norm.register_forward_pre_hook(keep), block.register_forward_hook(add)):
                hooks.callback(hook.remove)
        yield


def encode_adapted(
    encoder: Encoder, adapters: Adapters, images: Iterable[Image.Image | Path | Tensor]
) -> Float[Tensor, "query dim"]:
    """Return unit rows of images by the encoder with adapters, in their order: a pass of their own.

    Raises:
        InputError: the encoder has no blocks of the kind, or a path cannot be decoded.
        MismatchError: the adapters are another encoder's, or for other blocks.
    """
    with inserted(encoder, adapters):
        return encoder.encode_images(images)


def _width(norm: Any) -> int:
    shape = getattr(norm, "normalized_shape", None)
    return int(shape[-1]) if shape else 0
