"""Backends of the search, behind one small interface: ``search(queries)`` and ``identity()``."""

from susx.images.retrieve.backends.base import Backend, TextEncoder, search
from susx.images.retrieve.backends.registry import BACKENDS, WHOLE, open_backend

__all__ = ["BACKENDS", "WHOLE", "Backend", "TextEncoder", "open_backend", "search"]
