"""What open_clip cannot know of weights: their activation and their pixel statistics, from what lies beside them or is published.

OpenAI's weights, and those trained from them (MetaCLIP, DFN, laion400m), want QuickGELU: ``x * sigmoid(1.702 x)``. open_clip has it in
architectures of their own (``ViT-B-32-quickgelu``); with plain GELU the same weights load without a word and lose accuracy.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from susx.errors import ModelError
from susx.features.open_clip_import import import_open_clip
from susx.types import Json

__all__ = ["CONFIG", "QUICK", "WeightSettings", "doubt", "is_path", "weight_settings"]

CONFIG = "open_clip_config.json"
"""What open_clip writes beside weights that it puts on the Hub, and what it reads from there."""

QUICK = "-quickgelu"
"""End of the names of open_clip's architectures with QuickGELU."""

_PIXELS = {
    "mean": "image_mean", "std": "image_std", "interpolation": "image_interpolation", "resize_mode": "image_resize_mode",
}  # fmt: skip
"""Key of a ``preprocess_cfg`` -> open_clip's argument."""


@dataclass(frozen=True)
class WeightSettings:
    """What open_clip is told of weights besides the architecture.

    Attributes:
        quick_gelu: whether QuickGELU is forced upon an architecture without it.
        pixels: arguments of its preprocessing, from the configuration beside the weights; {} where that is silent.
    """

    quick_gelu: bool = False
    pixels: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Json]:
        """Return what of it makes other features of the same weights; {} where nothing does."""
        facts: dict[str, Json] = {"quick_gelu": True} if self.quick_gelu else {}
        return facts | ({"preprocessing": self.pixels} if self.pixels else {})


def is_path(pretrained: str) -> bool:
    """Whether ``encoder.pretrained`` is a path of a file; tags of open_clip have neither an ending nor a slash."""
    return bool(pretrained) and (
        bool(Path(pretrained).suffix) or "/" in pretrained or "\\" in pretrained or pretrained.startswith("~")
    )


def weight_settings(model: str, pretrained: str, weights: Path) -> WeightSettings:
    """Return what is known of weights.

    Args:
        model: open_clip architecture.
        pretrained: tag, or path of the file.
        weights: the file itself.

    Raises:
        ModelError: the configuration beside the file cannot be read.
    """
    if model.startswith("hf-hub:"):
        return WeightSettings()
    if not is_path(pretrained):
        open_clip = import_open_clip()
        cfg = open_clip.get_pretrained_cfg(model, pretrained) or {}
        has = bool((open_clip.get_model_config(model) or {}).get("quick_gelu", False))
        return WeightSettings(quick_gelu=bool(cfg.get("quick_gelu", False)) and not has)
    beside = weights.parent / CONFIG
    if not beside.is_file():
        return WeightSettings()
    try:
        read = json.loads(beside.read_text(encoding="utf-8-sig"))
        told, pixels = read.get("model_cfg", read), read.get("preprocess_cfg", {})
        quick = bool(told.get("quick_gelu", False))
        settings = {
            _PIXELS[key]: value for key, value in pixels.items() if key in _PIXELS and value is not None
        }
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(
            f"{beside} is not a configuration of open_clip ({error}); mend it, or take it away from beside {weights.name}."
        ) from error
    return WeightSettings(quick_gelu=quick and not model.endswith(QUICK), pixels=settings)


def doubt(model: str, pretrained: str, weights: Path) -> str:
    """Return a sentence where nothing tells the activation of weights from a file, or what tells it contradicts the architecture; else ""."""
    if not is_path(pretrained):
        return ""
    beside = weights.parent / CONFIG
    if beside.is_file():
        if model.endswith(QUICK) and not json.loads(beside.read_text(encoding="utf-8-sig")).get(
            "model_cfg", {}
        ).get("quick_gelu"):
            return (
                f"{beside} does not say that {weights.name} was trained with QuickGELU, and encoder.model={model} does; it runs with it. "
                f"Set encoder.model={model.removesuffix(QUICK)} if that file is of these weights."
            )
        return ""
    if f"{model}{QUICK}" not in import_open_clip().list_models():
        return ""
    return (
        f"Nothing tells whether {weights} was trained with QuickGELU, as OpenAI's, MetaCLIP's, DFN's and laion400m's weights "
        f"were; it runs without, as encoder.model={model} says. If it was, set encoder.model={model}{QUICK}: with the wrong one the same "
        f"weights lose accuracy. A {CONFIG} beside the file tells it too, and ends this message."
    )
