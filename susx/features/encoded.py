"""Images as an encoder sees them: the features that methods ask for, one row an image."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from susx.features.adapted_encoder import encode_adapted
from susx.features.encoder import Encoder
from susx.features.views import encode_views
from susx.methods.adapters import Adapters

__all__ = ["EncodedImages", "encode"]


@dataclass(frozen=True)
class EncodedImages:
    """Features of images.

    Attributes:
        image: one unit row an image.
        patches: unit rows of its patches, where a method looks at them.
        adapted: one unit row an image by the encoder with adapters, where a method asks for them.
        views: unit rows of random crops of the image, where a method looks at them.
    """

    image: Float[Tensor, "images dim"]
    patches: Float[Tensor, "images patches dim"] | None = None
    adapted: Float[Tensor, "images dim"] | None = None
    views: Float[Tensor, "images views dim"] | None = None

    def __len__(self) -> int:
        return len(self.image)

    @property
    def mean(self) -> Float[Tensor, "1 dim"] | None:
        """The unit mean of the images; None where there are none."""
        if not len(self.image):
            return None
        return torch.nn.functional.normalize(self.image.float().mean(dim=0, keepdim=True), dim=-1)


def encode(
    encoder: Encoder,
    pictures: Callable[[], Iterable[Path | Image.Image]],
    *,
    patches: bool = False,
    adapters: Adapters | None = None,
    views: int = 0,
) -> EncodedImages:
    """Encode images.

    Args:
        encoder: what encodes them.
        pictures: the images in order, decoded anew for each kind of features.
        patches: whether a method looks at the grid of patch features too.
        adapters: where a method asks for features with them.
        views: random crops of each image that a method looks at.
    """
    return EncodedImages(
        encoder.encode_images(pictures()),
        encoder.encode_patches(pictures()) if patches else None,
        encode_adapted(encoder, adapters, pictures()) if adapters else None,
        encode_views(encoder, pictures(), views) if views else None,
    )
