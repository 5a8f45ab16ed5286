"""The page that a person classifies pictures on: the same files from the service at ``/`` and in a folder of the web export."""

from __future__ import annotations

from pathlib import Path

__all__ = ["PAGE_FILES", "page_file"]

PAGE_FILES = {
    "index.html": "text/html",
    "page.css": "text/css",
    "page.js": "text/javascript",
    "ask.js": "text/javascript",
}
"""File -> its type. ``ask.js`` asks the service; the web export has one of its own."""

_FOLDER = Path(__file__).parent / "static"


def page_file(name: str) -> bytes:
    """Return a file of the page."""
    return (_FOLDER / name).read_bytes()
