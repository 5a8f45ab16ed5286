"""The resize rule and pixel statistics of an encoder's own transform, read from its steps."""

from __future__ import annotations

from typing import Any

from PIL import Image

from susx.bundle.pixels import PixelRule
from susx.errors import ConfigError

__all__ = ["rule_of"]


def rule_of(preprocess: Any, name: str) -> PixelRule:
    """Return how an encoder is shown pictures.

    Args:
        preprocess: its transform: open_clip's or torchvision's steps, or transformers' processor.
        name: of the encoder, for the refusal.

    Raises:
        ConfigError: its transform has a step that a bundle cannot do; names the step.
    """
    processor = getattr(preprocess, "processor", None)
    if processor is not None:
        return _of_processor(processor, name)
    steps = list(getattr(preprocess, "transforms", ()))
    rule: dict[str, Any] = {"fill": 0}
    for step in steps:
        kind = type(step).__name__
        if kind == "Resize":
            size = (step.size,) if isinstance(step.size, int) else tuple(step.size)
            if len(size) == 2 and step.max_size is None:
                rule |= {"resize": "exact", "height": size[0], "width": size[1]}
            elif step.max_size is None:
                rule |= {"resize": "shorter", "height": size[0], "width": size[0]}
            else:
                raise _unknown(name, f"{kind} with a largest size")
            rule["interpolation"] = step.interpolation.value
        elif kind == "ResizeKeepRatio" and step.longest in (0, 1):
            rule |= {
                "resize": "within" if step.longest else "cover",
                "interpolation": step.interpolation.value,
            }
            rule |= {"height": int(step.size[0]), "width": int(step.size[1])}
        elif kind in {"CenterCrop", "CenterCropOrPad"}:
            height, width = (int(side) for side in step.size)
            if rule.get("resize") == "shorter" and rule["height"] != height:
                raise _unknown(name, f"{kind} to another size than it was resized to")
            rule |= {"height": height, "width": width}
            fill = getattr(step, "fill", 0)
            rule["fill"] = int(fill[0] if isinstance(fill, (tuple, list)) else fill)
        elif kind == "Normalize":
            rule |= {"mean": tuple(map(float, step.mean)), "std": tuple(map(float, step.std))}
        elif kind not in {"ToTensor", "MaybeToTensor", "MaybeConvertMode"}:
            raise _unknown(name, kind)
    if not {"resize", "mean"} <= set(rule):
        raise _unknown(name, "none that resizes and normalises")
    return PixelRule.model_validate(rule)


def _of_processor(processor: Any, name: str) -> PixelRule:
    """Of transformers' image processor of BLIP: both sides to one size, scaled to 0..1, normalised."""
    if not (processor.do_resize and processor.do_rescale and processor.do_normalize) or getattr(
        processor, "do_center_crop", False
    ):
        raise _unknown(name, "an image processor that does not resize, rescale and normalise alone")
    filters = {
        Image.Resampling.NEAREST: "nearest", Image.Resampling.BILINEAR: "bilinear",
        Image.Resampling.BICUBIC: "bicubic", Image.Resampling.LANCZOS: "lanczos",
    }  # fmt: skip
    size = processor.size
    return PixelRule.model_validate({
        "resize": "exact", "height": int(size["height"]), "width": int(size["width"]),
        "interpolation": filters[Image.Resampling(int(processor.resample))],
        "mean": tuple(map(float, processor.image_mean)), "std": tuple(map(float, processor.image_std)),
    })  # fmt: skip


def _unknown(encoder: str, step: str) -> ConfigError:
    return ConfigError(
        f"The encoder {encoder} prepares pictures by a step that a bundle cannot do ({step}), so it cannot be exported as one. Use "
        "susx predict and susx serve with --classifier for it."
    )
