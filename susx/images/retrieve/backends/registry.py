"""From a profile's ``retrieval`` section to an open backend; each is imported when it is chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from susx.config import DownloadConfig, RetrievalConfig
from susx.errors import ConfigError
from susx.images.retrieve.backends.base import Backend, TextEncoder

__all__ = ["BACKENDS", "open_backend"]

Opener = Callable[[RetrievalConfig, DownloadConfig, TextEncoder, Path | None, Path | None], Backend]


def _service(
    config: RetrievalConfig,
    download: DownloadConfig,
    encoder: TextEncoder,
    pool: Path | None,
    work: Path | None,
) -> Backend:
    from susx.images.retrieve.backends.service import ServiceBackend

    return ServiceBackend.from_config(config, encoder)


def _index(
    config: RetrievalConfig,
    download: DownloadConfig,
    encoder: TextEncoder,
    pool: Path | None,
    work: Path | None,
) -> Backend:
    from susx.images.retrieve.backends.index import IndexBackend

    return IndexBackend(_needed(config.folder, "retrieval.folder", "index"), encoder)


def _features(
    config: RetrievalConfig,
    download: DownloadConfig,
    encoder: TextEncoder,
    pool: Path | None,
    work: Path | None,
) -> Backend:
    from susx.images.retrieve.backends.features import FeaturePoolBackend

    return FeaturePoolBackend(_needed(config.folder, "retrieval.folder", "features"), encoder)


def _urls(
    config: RetrievalConfig,
    download: DownloadConfig,
    encoder: TextEncoder,
    pool: Path | None,
    work: Path | None,
) -> Backend:
    from susx.images.retrieve.backends.urls import UrlListBackend

    return UrlListBackend.from_config(config, download, encoder, work)


def _demo(
    config: RetrievalConfig,
    download: DownloadConfig,
    encoder: TextEncoder,
    pool: Path | None,
    work: Path | None,
) -> Backend:
    from susx.images.retrieve.backends.index import IndexBackend

    if pool is None:
        raise ConfigError(
            "The backend 'demo' needs the folder of the embedded pool's index; none was prepared."
        )
    return IndexBackend(pool, encoder, name="demo")


BACKENDS: Mapping[str, Opener] = {
    "demo": _demo,
    "features": _features,
    "index": _index,
    "service": _service,
    "urls": _urls,
}


def open_backend(
    config: RetrievalConfig,
    encoder: TextEncoder,
    *,
    download: DownloadConfig | None = None,
    pool: Path | None = None,
    work: Path | None = None,
) -> Backend:
    """Open the backend that a profile names.

    Args:
        config: the profile's ``retrieval`` section.
        encoder: encodes the queries; its digest is compared with the index's.
        download: limits of the downloads (backend urls with rank embedding).
        pool: folder of the embedded pool's index (backend demo).
        work: folder for downloads that outlive the run (backend urls with rank embedding).

    Raises:
        ConfigError: a setting that the backend needs is missing.
        RetrievalError, MismatchError: see the backend.
    """
    return BACKENDS[config.backend](config, download or DownloadConfig(), encoder, pool, work)


def _needed(value: str | None, setting: str, backend: str) -> Path:
    if not value:
        raise ConfigError(f"The backend '{backend}' needs {setting}; pass --set {setting}=PATH.")
    return Path(value).expanduser()
