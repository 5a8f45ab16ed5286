"""An encoder as clip-retrieval names it: ``open_clip:<architecture>/<checkpoint>`` plus the architecture's JSON."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from susx.features.open_clip_import import import_open_clip

__all__ = ["clip_retrieval_model", "register_model"]


def clip_retrieval_model(encoder: Any) -> dict[str, Any] | None:
    """Return ``clip_model`` and ``config`` for an encoder with a file of ``weights``, or None where it cannot be loaded.

    Hub ids hold a slash, which clip-retrieval's naming splits; encoders made in memory have no file; and of a checkpoint it knows no
    tag, so that it would show images to SigLIP and others as to CLIP.
    """
    identity, weights = encoder.identity, getattr(encoder, "weights", None)
    if weights is None or "/" in identity.model or identity.precision != "fp32":
        return None
    open_clip = import_open_clip()
    config = open_clip.get_model_config(identity.model)
    if config is None or not _prepares_as_clip(encoder.model):
        return None
    return {"clip_model": f"open_clip:{identity.model}/{Path(weights).resolve()}", "config": config}


def _prepares_as_clip(model: Any) -> bool:
    from dataclasses import asdict

    from open_clip.transform import PreprocessCfg

    preprocessing, default = getattr(model.visual, "preprocess_cfg", {}), asdict(PreprocessCfg())
    return all(
        preprocessing.get(key, default[key]) == default[key]
        for key in ("mean", "std", "interpolation", "resize_mode")
    )


def register_model(clip_model: str, config: dict[str, Any]) -> None:
    """Make an architecture known to open_clip in this process, by the name that ``clip_model`` gives it."""
    open_clip = import_open_clip()
    name = clip_model.removeprefix("open_clip:").partition("/")[0]
    if open_clip.get_model_config(name) == config:
        return
    with tempfile.TemporaryDirectory() as folder:  # open_clip reads the file at once
        path = Path(folder) / f"{name}.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        open_clip.add_model_config(path)
