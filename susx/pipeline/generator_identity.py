"""Fingerprint of the diffusion model that draws images, found without loading it."""

from __future__ import annotations

from pathlib import Path

from susx.config import GenerationConfig
from susx.store import FileDigests, digest_json
from susx.types import Json
from susx.user_folder import files_below

__all__ = ["generator_path", "identify_generator"]

_file_digests = FileDigests()

_ENDINGS = frozenset(
    {".json", ".safetensors", ".txt", ".bin", ".model", ".py", ".jinja", ".pt", ".pth", ".ckpt"}
)
"""What is read of a diffusers folder: configurations, weights, vocabularies (T5's is ``spiece.model``) and code."""


def identify_generator(config: GenerationConfig) -> Json:
    """Return what tells a diffusion model from another: a digest of a local folder, or hub id and revision."""
    folder = generator_path(config)
    if folder is None:
        return {"id": config.model, "revision": config.revision, "variant": config.variant}
    files = files_below(folder, _ENDINGS).files
    return {
        "content": digest_json({path.relative_to(folder).as_posix(): _file_digests(path) for path in files})
    }


def generator_path(config: GenerationConfig) -> Path | None:
    """Return the local folder of a diffusion model, None for a hub id."""
    if config.model == "demo":
        import susx.demo

        return Path(susx.demo.__file__).parent / "tiny_diffusion"
    folder = Path(config.model).expanduser()
    return folder if folder.is_dir() else None
