"""Readers of labelled images by name: susx's own, and those that installed packages offer.

A description that names an unknown one is refused with its line, so the names are here; the functions are imported when a split
is read (:mod:`susx.datasets.target_split`), each with the libraries of its own layout alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint

from susx.offered import offered

__all__ = ["ENTRY_POINTS", "READERS", "known_readers"]

READERS: Mapping[str, str] = {
    "coop": "susx.datasets.readers.coop:read_coop",
    "csv": "susx.datasets.readers.table:read_table",
    "datasets": "susx.datasets.readers.datasets_tables:read_datasets",
    "demo": "susx.datasets.readers.demo:read_demo",
    "imagefolder": "susx.datasets.readers.imagefolder:read_imagefolder",
    "torchvision": "susx.datasets.readers.torchvision_sets:read_torchvision",
    "webdataset": "susx.datasets.readers.webdataset:read_webdataset",
}
"""What ``reader: {kind: ...}`` of a data set may say -> ``module:function``."""

ENTRY_POINTS = "susx.readers"
"""Group of entry points by which other packages add readers: ``name = "package.module:function"``."""


@cache
def known_readers() -> Mapping[str, EntryPoint]:
    """Return all readers as entry points by name, none of them imported.

    Raises:
        ConfigError: an installed package offers one under a name that is taken.
    """
    shipped = {name: EntryPoint(name, value, ENTRY_POINTS) for name, value in READERS.items()}
    return shipped | offered(ENTRY_POINTS, shipped, "reader")
