"""Fingerprints of where images come from, found without opening the source."""

from __future__ import annotations

import functools
from pathlib import Path

from susx.config import GenerationConfig, RetrievalConfig
from susx.errors import ConfigError, RetrievalError
from susx.features.identity import EncoderIdentity
from susx.store import FileDigests, digest_json
from susx.types import Json

__all__ = ["drawing_digest", "generator_path", "identify_backend", "identify_generator"]

_file_digests = FileDigests()


def identify_backend(config: RetrievalConfig, encoder: EncoderIdentity) -> Json:
    """Return what tells a retrieval backend's content from another's.

    A remote service has no fingerprint: its URL and index name stand for it, and an artefact made from it stays
    fresh until one of them changes.

    Raises:
        ConfigError: a setting the backend needs is missing.
        RetrievalError: the index or list is not there.
        MismatchError: the index says that another encoder built it.
    """
    if config.backend == "demo":
        return {"backend": "demo", "drawing": drawing_digest(pool=True)}
    if config.backend == "service":
        if not config.url:
            raise ConfigError(
                "The backend 'service' needs a URL: --set retrieval.url=http://host:port/knn-service"
            )
        return {
            "backend": "service",
            "url": config.url,
            "index_name": config.index_name,
            "query": config.query,
        }
    if config.backend == "urls":
        path = _needed(config.urls, "retrieval.urls", "urls")
        return {"backend": "urls", "content": _file_digests(path), "rank": config.rank}
    folder = _needed(config.folder, "retrieval.folder", config.backend)
    if config.backend == "index":
        from susx.images.retrieve.manifest import IndexManifest, check_encoder

        manifest = IndexManifest.read(folder)
        if manifest is not None:
            check_encoder(str(folder), manifest.encoder, manifest.digest, encoder.model, encoder.digest)
            return {"backend": "index", "content": manifest.content}
    files = [
        path for path in sorted(folder.rglob("*")) if path.suffix in {".index", ".parquet", ".npy", ".csv"}
    ]
    content = {path.relative_to(folder).as_posix(): _file_digests(path) for path in files}
    if not content:
        raise RetrievalError(
            f"{folder} holds neither an index nor features. Build one with 'susx index build'."
        )
    return {"backend": config.backend, "content": digest_json(content)}


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


@functools.lru_cache(maxsize=2)
def drawing_digest(*, pool: bool = False) -> str:
    """Return a digest of the code that draws the embedded textures, and with ``pool`` the captions and the pool too.

    What is drawn changes when the code does; nothing else of it is stored that could tell.
    """
    import susx.demo

    folder = Path(susx.demo.__file__).parent
    files = sorted((folder / "textures").glob("*.py"))
    if pool:
        files += [folder / name for name in ("captions.py", "pool.py", "pool_index.py", "vocabulary.py")]
    return digest_json({path.name: _file_digests(path) for path in files})


def generator_path(config: GenerationConfig) -> Path | None:
    """Return the local folder of a diffusion model, None for a hub id."""
    if config.model == "demo":
        import susx.demo

        return Path(susx.demo.__file__).parent / "tiny_diffusion"
    folder = Path(config.model).expanduser()
    return folder if folder.is_dir() else None


def _needed(value: str | None, key: str, backend: str) -> Path:
    if not value:
        raise ConfigError(f"The backend '{backend}' needs a path: --set {key}=PATH")
    path = Path(value).expanduser()
    if not path.exists():
        raise RetrievalError(f"The backend '{backend}' is told to use {path} ({key}), which is not there.")
    return path
