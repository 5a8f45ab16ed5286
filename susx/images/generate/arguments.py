"""What a pipeline is called with: the settings under the names that its class knows, and what of them it cannot take."""

from __future__ import annotations

import inspect
from typing import Any

from susx.images.generate.requests import DrawSettings

__all__ = ["call_arguments"]


def call_arguments(pipe: Any, settings: DrawSettings) -> tuple[dict[str, Any], list[str]]:
    """Return the keyword arguments of one call, without prompts and generators, and one sentence for each setting left out.

    Where a class tells the guidance that a distilled model is given as a number (``guidance_scale``) from classifier-free
    guidance (``true_cfg_scale``), a model without the former takes ``settings.guidance`` as the latter, with an empty negative prompt
    where none is set: without one such pipelines draw unguided (Qwen-Image; Flux without distillation).
    """
    parameters = inspect.signature(type(pipe).__call__).parameters
    notes = []
    arguments: dict[str, Any] = {"num_inference_steps": settings.steps}
    distilled = getattr(getattr(getattr(pipe, "transformer", None), "config", None), "guidance_embeds", False)
    guidance = "true_cfg_scale" if "true_cfg_scale" in parameters and not distilled else "guidance_scale"
    arguments[guidance] = settings.guidance
    negative = settings.negative_prompt
    if guidance == "true_cfg_scale" and settings.guidance > 1 and not negative:
        negative = " "
    if negative:
        arguments["negative_prompt"] = negative
    for side in ("width", "height"):
        if (pixels := getattr(settings, side)) is not None:
            arguments[side] = pixels
    for name in [name for name in arguments if name not in parameters]:
        notes.append(f"{type(pipe).__name__} has no {name}; {arguments.pop(name)!r} has no effect.")
    return arguments, notes
