"""A bundle as a folder that any static server shows: the page, the graphs and onnxruntime-web, nothing from elsewhere."""

from susx.bundle.web.write_web import export_web

__all__ = ["export_web"]
