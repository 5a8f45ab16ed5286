"""The images below a folder that somebody brings, and one sentence on what was not taken for an image."""

from __future__ import annotations

import functools
import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from susx.errors import InputError
from susx.image_files import IMAGE_SUFFIXES, UNDECODED_SUFFIXES
from susx.user_folder import FolderFiles, files_below

__all__ = ["images_below", "passed_over", "require_images"]

logger = logging.getLogger(__name__)


def images_below(folder: Path) -> FolderFiles:
    """Return the images below a folder, and log in one line what was passed over.

    Every ending that the decoder knows counts, whatever its case; :mod:`susx.user_folder` says what is walked.

    Raises:
        InputError: the folder cannot be listed.
    """
    below = files_below(folder, IMAGE_SUFFIXES)
    if reasons := passed_over(below):
        _tell(str(folder), ", ".join(f"{count} {reason}" for reason, count in reasons.items()))
    return below


@functools.lru_cache(maxsize=256)
def _tell(folder: str, counted: str) -> None:
    """Say it once a process: the splits of a data set are cut from one folder."""
    logger.warning("%s: passed over %s", folder, counted)


def passed_over(below: FolderFiles) -> Mapping[str, int]:
    """Return reason -> number of entries that are no images, without files that never are one (texts, tables)."""
    reasons = Counter(below.passed_over)
    for ending, count in below.endings.items():
        if not ending:
            reasons["without an ending"] += count
        elif ending in UNDECODED_SUFFIXES:
            reasons[f"of a format that is not decoded ({ending})"] += count
    return dict(reasons)


def require_images(folder: Path) -> FolderFiles:
    """As :func:`images_below`, for a folder that must hold some.

    Raises:
        InputError: it cannot be listed, or there is none; says what was passed over.
    """
    below = images_below(folder)
    if not below.files:
        counted = ", ".join(f"{count} {reason}" for reason, count in passed_over(below).items())
        raise InputError(
            f"The folder {folder} holds no images ({', '.join(sorted(IMAGE_SUFFIXES))})."
            f"{f' Passed over: {counted}.' if counted else ''}"
        )
    return below
