"""From a profile's ``retrieval`` section to the settings of the backend it names, and to an open backend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from susx.config import DownloadConfig, RetrievalConfig
from susx.errors import ConfigError, did_you_mean
from susx.images.retrieve.backends.base import Backend, BackendSettings, Opening, TextEncoder
from susx.images.retrieve.backends.chain import ChainSettings
from susx.images.retrieve.backends.demo import DemoSettings
from susx.images.retrieve.backends.features import FeaturesSettings
from susx.images.retrieve.backends.gbif import GbifSettings
from susx.images.retrieve.backends.inaturalist import InaturalistSettings
from susx.images.retrieve.backends.index import IndexSettings
from susx.images.retrieve.backends.lance import LanceSettings
from susx.images.retrieve.backends.openverse import OpenverseSettings
from susx.images.retrieve.backends.parquet import ParquetSettings
from susx.images.retrieve.backends.service import ServiceSettings
from susx.images.retrieve.backends.urls import UrlsSettings

__all__ = ["BACKENDS", "backend_settings", "open_backend"]

BACKENDS: Mapping[str, type[BackendSettings]] = {
    "chain": ChainSettings,
    "demo": DemoSettings,
    "features": FeaturesSettings,
    "gbif": GbifSettings,
    "inaturalist": InaturalistSettings,
    "index": IndexSettings,
    "lance": LanceSettings,
    "openverse": OpenverseSettings,
    "parquet": ParquetSettings,
    "service": ServiceSettings,
    "urls": UrlsSettings,
}


def backend_settings(config: RetrievalConfig) -> BackendSettings:
    """Return a ``retrieval`` section as its backend reads it.

    Raises:
        ConfigError: there is no such backend, or it has no such setting or value.
    """
    if config.backend not in BACKENDS:
        raise ConfigError(
            f"retrieval.backend: there is no backend '{config.backend}', only {', '.join(BACKENDS)}."
            + did_you_mean(config.backend, BACKENDS)
        )
    kind = BACKENDS[config.backend]
    try:
        settings = kind.model_validate(config.model_dump())
    except ValidationError as error:
        raise ConfigError(" ".join(_explain(kind, item) for item in error.errors()[:3])) from error
    settings.check()
    return settings


def _explain(kind: type[BackendSettings], item: object) -> str:
    assert isinstance(item, dict)
    key = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        backend = kind.model_fields["backend"].default
        hint = did_you_mean(key, kind.model_fields)
        return f"unknown key 'retrieval.{key}' of the backend '{backend}'.{hint}"
    return f"retrieval.{key}: {item['msg']} (found {item['input']!r})."


def open_backend(
    config: RetrievalConfig,
    encoder: TextEncoder,
    *,
    download: DownloadConfig | None = None,
    pool: Path | None = None,
    work: Path | None = None,
    build: str = "",
) -> Backend:
    """Open the backend that a profile names; see :class:`~susx.images.retrieve.backends.base.Opening`.

    Raises:
        ConfigError: a setting that the backend needs is missing.
        RetrievalError, MismatchError: see the backend.
    """
    return backend_settings(config).open(Opening(encoder, download or DownloadConfig(), pool, work, build))
