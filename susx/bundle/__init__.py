"""A classifier as a bundle: a folder of ONNX graphs and what belongs to them, used with numpy, Pillow and onnxruntime alone.

Writing one needs torch (``write_bundle``, ``towers``, ``agreement``, ``quantise``, ``tokens``, ``pixel_rule``); no other module here imports it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from susx.bundle.bundle import Bundle, load_bundle
    from susx.bundle.bundle_folder import StoredBundle, read_bundle

__all__ = ["Bundle", "StoredBundle", "load_bundle", "read_bundle"]

_PLACES = {"bundle": ("Bundle", "load_bundle"), "bundle_folder": ("StoredBundle", "read_bundle")}


def __getattr__(name: str) -> Any:
    import importlib

    place = next((module for module, names in _PLACES.items() if name in names), None)
    if place is None:
        raise AttributeError(f"module 'susx.bundle' has no attribute {name!r}")
    return getattr(importlib.import_module(f"susx.bundle.{place}"), name)
