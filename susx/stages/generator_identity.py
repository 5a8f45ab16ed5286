"""Fingerprint of the diffusion model that draws images, found without loading it."""

from __future__ import annotations

from pathlib import Path

from susx.config import GenerationConfig
from susx.store import FileDigests, digest_json
from susx.types import Json

__all__ = ["generator_path", "identify_generator"]

_file_digests = FileDigests()


def identify_generator(config: GenerationConfig) -> Json:
    """Return what tells a diffusion model from another: a digest of a local folder, or hub id and revision."""
    folder = generator_path(config)
    if folder is None:
        return {"id": config.model, "revision": config.revision, "variant": config.variant}
    kinds = {".json", ".safetensors", ".txt", ".bin"}
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in kinds]
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
