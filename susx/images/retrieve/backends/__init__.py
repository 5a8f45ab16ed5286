"""Backends of the search, one file each: settings with ``identity`` and ``open``, and ``search(queries)``."""

from susx.images.retrieve.backends.backend import Backend, BackendSettings, Delivers, TextEncoder, search
from susx.images.retrieve.backends.backend_registry import (
    BACKENDS,
    backend_settings,
    known_backends,
    open_backend,
)

__all__ = [
    "BACKENDS",
    "Backend",
    "BackendSettings",
    "Delivers",
    "TextEncoder",
    "backend_settings",
    "known_backends",
    "open_backend",
    "search",
]
