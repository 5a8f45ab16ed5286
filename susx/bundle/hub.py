"""Where a bundle lies: a folder, or the Hugging Face Hub; and its card there."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from susx.bundle.description import FILES, JSON
from susx.hub import HubAddress, fetch, is_hub_address

__all__ = ["ALL_FILES", "locate_bundle"]

logger = logging.getLogger(__name__)

ALL_FILES = FILES | {JSON}


def locate_bundle(place: str | os.PathLike[str]) -> Path:
    """Return the folder of a bundle, fetched first where ``place`` is an address on the Hub.

    Raises:
        ConfigError, InputError, ServerError: see :func:`susx.hub.fetch`.
    """
    if not is_hub_address(place):
        return Path(place)
    found = fetch(HubAddress.parse(str(place), "model"), ALL_FILES.__contains__)
    logger.info("%s is %s", place, found.address)
    return found.folder
