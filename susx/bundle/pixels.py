"""The encoder's input from a picture, with Pillow and numpy: the steps of open_clip's evaluation transform, to the last bit.

torchvision resizes pictures of Pillow with Pillow, so the same calls give the same pixels; what is left is where the crop begins, and
float32 arithmetic in torch's order: divide by 255, subtract the mean, divide by the deviation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from PIL import Image, ImageOps
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

if TYPE_CHECKING:
    from jaxtyping import Float32  # importing it takes as long as numpy

__all__ = ["PixelRule"]

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

Side = Annotated[int, Field(ge=1, le=4096)]
Three = tuple[FiniteFloat, FiniteFloat, FiniteFloat]
Deviation = Annotated[FiniteFloat, Field(gt=0)]


class PixelRule(BaseModel):
    """How an encoder is shown a picture.

    Attributes:
        resize: ``shorter``: the shorter side becomes ``height`` and the middle is cut out; ``within``: the whole picture fits, the rest is
            ``fill``; ``cover``: it covers all, the middle is cut out; ``exact``: both sides, whatever the proportions.
        height, width: pixels of the input.
        interpolation: Pillow's filter.
        fill: grey level of what the picture does not cover.
        mean, std: of each channel, for values between 0 and 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    resize: Literal["shorter", "within", "cover", "exact"]
    height: Side
    width: Side
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"]
    fill: Annotated[int, Field(ge=0, le=255)] = 0
    mean: Three
    std: tuple[Deviation, Deviation, Deviation]

    def prepare(self, picture: Image.Image) -> Float32[np.ndarray, "3 height width"]:
        """Return the encoder's input for an upright RGB picture."""
        shown = self._cut(self._resized(picture))
        values = np.asarray(shown, dtype=np.float32).transpose(2, 0, 1) / np.float32(255)
        mean, std = (np.asarray(three, dtype=np.float32)[:, None, None] for three in (self.mean, self.std))
        return np.ascontiguousarray((values - mean) / std)

    def _resized(self, picture: Image.Image) -> Image.Image:
        width, height = picture.size
        if self.resize == "exact":
            size = self.width, self.height
        elif self.resize == "shorter":  # torchvision's: the longer side is rounded down
            longer = int(self.height * max(width, height) / min(width, height))
            size = (self.height, longer) if width <= height else (longer, self.height)
        else:  # open_clip's ResizeKeepRatio
            ratios = height / self.height, width / self.width
            ratio = max(ratios) if self.resize == "within" else min(ratios)
            size = round(width / ratio), round(height / ratio)
        size = max(1, size[0]), max(1, size[1])
        return picture if size == picture.size else picture.resize(size, _FILTERS[self.interpolation])

    def _cut(self, picture: Image.Image) -> Image.Image:
        missing = max(0, self.width - picture.width), max(0, self.height - picture.height)
        if any(missing):
            border = missing[0] // 2, missing[1] // 2, (missing[0] + 1) // 2, (missing[1] + 1) // 2
            picture = ImageOps.expand(picture, border, (self.fill,) * 3)
        left, top = round((picture.width - self.width) / 2), round((picture.height - self.height) / 2)
        return picture.crop((left, top, left + self.width, top + self.height))
