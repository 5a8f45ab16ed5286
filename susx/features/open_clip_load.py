"""Weights of open_clip's architectures, loaded: by tag, from a file or from the Hub."""

from __future__ import annotations

import logging
from typing import Any

from susx.config import EncoderConfig
from susx.errors import ModelError
from susx.features.checkpoint_kinds import explain_checkpoint
from susx.features.identity import LocatedEncoder, is_embedded
from susx.features.open_clip_import import import_open_clip
from susx.features.open_clip_settings import doubt, is_path, weight_settings

__all__ = ["load_open_clip", "published_pixels"]

logger = logging.getLogger(__name__)


def load_open_clip(located: LocatedEncoder, config: EncoderConfig, device: str) -> tuple[Any, Any, Any]:
    """Return model, preprocessing and tokenizer.

    Raises:
        ModelError: the file is no such weights (it says what the file is, where that can be seen), or the tokenizer cannot be had.
    """
    open_clip = import_open_clip()
    if is_embedded(config.model):
        from susx.demo.embedded_encoder import register

        register()
    try:
        # A tag is passed on as a tag: with it come its own mean, standard deviation and interpolation.
        by_tag = bool(config.pretrained) and not is_path(config.pretrained)
        pretrained = config.pretrained if by_tag else str(located.weights)
        settings = weight_settings(config.model, config.pretrained, located.weights)
        pretrained = "" if config.model.startswith("hf-hub:") else pretrained
        model, preprocess = open_clip.create_model_from_pretrained(
            located.id.model, pretrained=pretrained, precision=config.precision, device=device,
            force_quick_gelu=settings.quick_gelu,
            **({} if by_tag else published_pixels(config.model) | settings.pixels),
        )  # fmt: skip
    except ModelError:
        raise
    except Exception as error:
        # Where the file tells what it is, that says it all: torch's own reason is long, and advises to run what the file holds.
        reason = " ".join(str(error).split())[:300]
        why = explain_checkpoint(located.weights, located.id.model) or (
            f"{type(error).__name__}: {reason}. Check that encoder.model names the architecture it was trained with."
        )
        raise ModelError(
            f"The checkpoint {located.weights} cannot be loaded as open_clip's '{located.id.model}' on {device}. {why}"
        ) from error
    if sentence := doubt(config.model, config.pretrained, located.weights):
        logger.warning("%s", sentence)
    return model, preprocess, _tokenizer(located.id.model)


def _tokenizer(model: str) -> Any:
    """Return the tokenizer of an architecture.

    Raises:
        ModelError: it lies on the Hub and cannot be had.
    """
    open_clip = import_open_clip()
    try:
        return open_clip.get_tokenizer(model)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        name = (open_clip.get_model_config(model) or {}).get("text_cfg", {}).get("hf_tokenizer_name", model)
        raise ModelError(
            f"The weights of '{model}' are here, but not its tokenizer: open_clip takes '{name}' from the Hugging Face Hub "
            f"({type(error).__name__}: {reason}). Connect to the network once, so that it is cached."
        ) from error


def published_pixels(model: str) -> dict[str, Any]:
    """Return the pixel statistics and resizing that all published weights of an architecture share, {} where they differ or there are none.

    open_clip knows them by tag only; a checkpoint from a file would be given those of OpenAI's CLIP, which SigLIP, PE-Core and
    MobileCLIP were not trained with.
    """
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

    published = [get_pretrained_cfg(model, tag) for tag in list_pretrained_tags_by_model(model)]
    kept = [
        {key: cfg[key] for key in ("mean", "std", "interpolation", "resize_mode") if key in cfg}
        for cfg in published
    ]
    if not kept or any(other != kept[0] for other in kept):
        return {}
    return {
        "image_resize_mode" if key == "resize_mode" else f"image_{key}": value
        for key, value in kept[0].items()
    }
