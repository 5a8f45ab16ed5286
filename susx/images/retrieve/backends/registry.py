"""From a profile's ``retrieval`` section to an open backend; each is imported when it is chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from susx.config import DownloadConfig, RetrievalConfig
from susx.errors import ConfigError
from susx.images.retrieve.backends.base import Backend, TextEncoder

__all__ = ["BACKENDS", "WHOLE", "open_backend"]


@dataclass(frozen=True)
class _Wanted:
    """What a backend may be opened with; the names are those of ``open_backend``."""

    config: RetrievalConfig
    encoder: TextEncoder
    download: DownloadConfig
    pool: Path | None
    work: Path | None

    def folder(self) -> Path:
        """Return ``retrieval.folder``, which this backend cannot do without."""
        if not self.config.folder:
            raise ConfigError(
                f"The backend '{self.config.backend}' needs retrieval.folder; "
                "pass --set retrieval.folder=PATH."
            )
        return Path(self.config.folder).expanduser()


def _service(wanted: _Wanted) -> Backend:
    from susx.images.retrieve.backends.service import ServiceBackend

    return ServiceBackend.from_config(wanted.config, wanted.encoder)


def _index(wanted: _Wanted) -> Backend:
    from susx.images.retrieve.backends.index import IndexBackend

    return IndexBackend(wanted.folder(), wanted.encoder)


def _features(wanted: _Wanted) -> Backend:
    from susx.images.retrieve.backends.features import FeaturePoolBackend

    return FeaturePoolBackend(wanted.folder(), wanted.encoder)


def _urls(wanted: _Wanted) -> Backend:
    from susx.images.retrieve.backends.urls import UrlListBackend

    return UrlListBackend.from_config(wanted.config, wanted.download, wanted.encoder, wanted.work)


def _demo(wanted: _Wanted) -> Backend:
    from susx.images.retrieve.backends.index import IndexBackend

    if wanted.pool is None:
        raise ConfigError(
            "The backend 'demo' needs the folder of the embedded pool's index; none was prepared."
        )
    return IndexBackend(wanted.pool, wanted.encoder, name="demo")


BACKENDS: Mapping[str, Callable[[_Wanted], Backend]] = {
    "demo": _demo,
    "features": _features,
    "index": _index,
    "service": _service,
    "urls": _urls,
}

WHOLE = frozenset({"demo", "features", "index"})
"""Backends that give the features of their whole source (``feature_parts``)."""


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
    return BACKENDS[config.backend](_Wanted(config, encoder, download or DownloadConfig(), pool, work))
