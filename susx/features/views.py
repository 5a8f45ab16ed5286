"""Many views of one picture: itself, and random crops of it, mirrored half of the time, each encoded by itself.

The crops are those of test-time augmentation since TPT (Shu et al., NeurIPS 2022), without AugMix: 8 to 100 % of the area, sides 3 : 4 to
4 : 3. Here they are of the encoder's input, not of the file, so that files, requests and data sets are treated alike. They are
drawn by the content of that input: a picture has the same views whenever and beside whatever it comes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from susx.features.encoder import Encoder
from susx.methods.base import VIEWS
from susx.seeds import derive_seed

__all__ = ["encode_views", "views_of"]

_AREA, _SIDES, _TRIES = (0.08, 1.0), (3 / 4, 4 / 3), 10


def encode_views(
    encoder: Encoder, images: Iterable[Image.Image | Path | Tensor], count: int = VIEWS
) -> Float[Tensor, "query views dim"]:
    """Return unit rows of ``count`` views of each image, the image itself first. Costs ``count`` encodings an image.

    Raises:
        InputError: a path cannot be decoded.
    """
    rows = [encoder.encode_images(views_of(encoder.prepare(image), count)) for image in images]
    return torch.stack(rows) if rows else torch.zeros(0, count, encoder.dim)


def views_of(picture: Float[Tensor, "channels height width"], count: int) -> Iterator[Tensor]:
    """Yield ``count`` views of an encoder's input, of its size; the first is the input itself."""
    yield picture
    digest = hashlib.sha256(picture.contiguous().numpy().tobytes()).hexdigest()
    random = np.random.default_rng(derive_seed(0, "views", digest))
    size = (picture.shape[1], picture.shape[2])
    for _ in range(count - 1):
        top, left, high, wide = _box(random, *size)
        crop = picture[None, :, top : top + high, left : left + wide]
        scaled = torch.nn.functional.interpolate(crop, size, mode="bicubic", antialias=True)[0]
        yield scaled.flip(2) if random.random() < 0.5 else scaled


def _box(random: np.random.Generator, height: int, width: int) -> tuple[int, int, int, int]:
    """Return top, left, height and width of a crop; the whole picture where no box of the drawn shape fits in ten tries."""
    for _ in range(_TRIES):
        area = height * width * random.uniform(*_AREA)
        sides = math.exp(random.uniform(math.log(_SIDES[0]), math.log(_SIDES[1])))
        wide, high = round(math.sqrt(area * sides)), round(math.sqrt(area / sides))
        if 0 < wide <= width and 0 < high <= height:
            return int(random.integers(height - high + 1)), int(random.integers(width - wide + 1)), high, wide
    return 0, 0, height, width
