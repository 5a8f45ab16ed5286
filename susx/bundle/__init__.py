"""A classifier as a bundle: a folder of ONNX graphs and what belongs to them, used with numpy, Pillow and onnxruntime alone.

Writing one needs torch (``write_bundle``, ``towers``, ``agreement``, ``quantise``, ``tokens``, ``pixel_rule``); no other module here imports it.
"""

from typing import TYPE_CHECKING

from susx.lazy_names import lazily

if TYPE_CHECKING:
    from susx.bundle.bundle import Bundle, load_bundle
    from susx.bundle.bundle_folder import StoredBundle, read_bundle

__all__ = ["Bundle", "StoredBundle", "load_bundle", "read_bundle"]

_PLACES = {"bundle": ("Bundle", "load_bundle"), "bundle_folder": ("StoredBundle", "read_bundle")}

__getattr__ = lazily(__name__, _PLACES)
