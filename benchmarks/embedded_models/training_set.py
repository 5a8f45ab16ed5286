"""What the tiny CLIP learns from: "web" pictures of the ``train`` split with one noisy caption each, and cheap augmentation.

Pictures are rendered once into memory; captions are as untrue as those of the pool. Nothing here is in the pool or
in the val and test splits, which have seeds and a domain of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from susx.demo.captions import caption, dominant_colours
from susx.demo.textures import CATEGORIES
from susx.seeds import derive_seed

__all__ = ["augment", "captioned"]


def captioned(images: UInt8[np.ndarray, "count size size 3"], seed: int) -> list[str]:
    """One noisy caption for each picture of :func:`susx.demo.textures.pictures`."""
    return [
        caption(
            CATEGORIES[index % len(CATEGORIES)],
            np.random.default_rng(derive_seed(seed, "train caption", index)),
            dominant_colours(image),
        )
        for index, image in enumerate(images)
    ]


def augment(
    batch: UInt8[Tensor, "batch height width 3"],
    generator: torch.Generator,
    mean: Sequence[float],
    std: Sequence[float],
) -> Float[Tensor, "batch 3 height width"]:
    """Random crop, mirror, turn, stretch, blur, greyness, contrast, brightness, tint, noise; then normalisation."""
    count = batch.shape[0]

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    angle, scale = uniform(-0.5, 0.5), uniform(0.62, 1.0)
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    stretch = uniform(0.85, 1.18)
    shift = uniform(-1, 1, 2) * (1 - scale)[:, None]
    theta = torch.stack(
        [
            torch.stack([scale * mirror * angle.cos(), -scale * angle.sin(), shift[:, 0]], 1),
            torch.stack(
                [stretch * scale * mirror * angle.sin(), stretch * scale * angle.cos(), shift[:, 1]], 1
            ),
        ],
        1,
    )
    images = batch.permute(0, 3, 1, 2).float() / 255
    places = functional.affine_grid(theta, list(images.shape), align_corners=False)
    images = functional.grid_sample(images, places, padding_mode="reflection", align_corners=False)
    blurred = functional.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    softer = functional.avg_pool2d(blurred, 3, 1, 1, count_include_pad=False)
    images = torch.where(uniform(0, 1, 1, 1, 1) < 0.5, blurred, images).lerp(softer, uniform(0, 1, 1, 1, 1))
    images = images.lerp(images.mean(dim=1, keepdim=True), uniform(0.0, 0.6, 1, 1, 1))
    middle = images.mean(dim=(1, 2, 3), keepdim=True)
    images = middle + uniform(0.4, 1.1, 1, 1, 1) * (images - middle)
    images = images * uniform(0.7, 1.15, 1, 1, 1) * uniform(0.88, 1.12, 3, 1, 1)
    images = images + uniform(0.0, 0.06, 1, 1, 1) * torch.randn(images.shape, generator=generator)
    shape = (1, 3, 1, 1)
    return (images.clamp(0, 1) - torch.tensor(mean).view(shape)) / torch.tensor(std).view(shape)
