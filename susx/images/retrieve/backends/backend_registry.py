"""From a profile's ``retrieval`` section to the settings of the backend it names, and to an open backend."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from susx.config import DownloadConfig, RetrievalConfig
from susx.errors import ConfigError, did_you_mean
from susx.images.retrieve.backends.auto import AutoSettings
from susx.images.retrieve.backends.backend import Backend, BackendSettings, Opening, TextEncoder
from susx.images.retrieve.backends.capabilities import check_kept
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
from susx.images.retrieve.backends.viewer import ViewerSettings
from susx.offered import load_offered, offered

__all__ = ["BACKENDS", "ENTRY_POINTS", "backend_settings", "known_backends", "open_backend"]

BACKENDS: Mapping[str, type[BackendSettings]] = {
    "auto": AutoSettings,
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
    "viewer": ViewerSettings,
}

ENTRY_POINTS = "susx.backends"
"""Group of entry points by which other packages add backends: ``name = "package.module:Settings"``."""


@cache
def known_backends() -> Mapping[str, type[BackendSettings]]:
    """Return the settings of all backends by name.

    Raises:
        ConfigError: an installed package offers something that is no backend, under another name, or under one that is
            taken.
    """
    backends = dict(BACKENDS)
    for name, entry in offered(ENTRY_POINTS, BACKENDS, "backend").items():
        kind = load_offered(entry)
        of_name = isinstance(kind, type) and issubclass(kind, BackendSettings)
        if not (of_name and kind.model_fields["backend"].default == name):
            raise ConfigError(
                f"The entry point '{name}' of {ENTRY_POINTS} ({entry.value}) is no BackendSettings whose 'backend' is '{name}'. "
                "Correct or uninstall the package that offers it."
            )
        backends[name] = kind
    return backends


def backend_settings(config: RetrievalConfig) -> BackendSettings:
    """Return a ``retrieval`` section as its backend reads it.

    Raises:
        ConfigError: there is no such backend, or it has no such setting or value.
    """
    backends = known_backends()
    if config.backend not in backends:
        raise ConfigError(
            f"retrieval.backend: there is no backend '{config.backend}', only {', '.join(backends)}."
            + did_you_mean(config.backend, backends)
        )
    kind = backends[config.backend]
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
    """Open the backend that a profile names; see :class:`~susx.images.retrieve.backends.backend.Opening`.

    Raises:
        ConfigError: a setting that the backend needs is missing, or it does not do what its settings promise.
        RetrievalError, MismatchError: see the backend.
    """
    settings = backend_settings(config)
    opened = settings.open(Opening(encoder, download or DownloadConfig(), pool, work, build))
    return check_kept(opened, settings)
