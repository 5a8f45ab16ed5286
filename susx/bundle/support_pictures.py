"""The pictures that a bundle is checked and quantised on: the support images of the classifier's run, and a folder of photographs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from susx.errors import InputError
from susx.image_files import LOCAL, BadImage, open_image
from susx.image_folder import require_images
from susx.records import SupportRow

__all__ = ["MOST", "Shown", "from_folder", "from_support"]

logger = logging.getLogger(__name__)

MOST = 512
"""Pictures of one source; of more an even sample is taken."""


@dataclass(frozen=True)
class Shown:
    """Pictures of one source.

    Attributes:
        of: what they are, as "support images".
        pictures: upright RGB.
        labels: their classes where all are known, else ().
    """

    of: str
    pictures: tuple[Image.Image, ...]
    labels: tuple[str, ...] = ()


def from_support(rows: Sequence[SupportRow], locate: Callable[[SupportRow], Path]) -> Shown:
    """Return the kept support images that are still there."""
    pictures, labels = [], []
    for row in _even([row for row in rows if row.kept]):
        try:
            pictures.append(open_image(locate(row), LOCAL))
            labels.append(row.class_name)
        except (OSError, InputError):
            continue
    return Shown("support images", tuple(pictures), tuple(labels))


def from_folder(folder: Path, class_names: Iterable[str]) -> Shown:
    """Return the photographs below a folder; where each lies in a folder of a class's name they are labelled.

    Raises:
        InputError: there is none, or none can be decoded.
    """
    classes = set(class_names)
    pictures, labels = [], []
    for path in _even(require_images(folder).files):
        try:
            pictures.append(open_image(path, LOCAL))
            labels.append(path.parent.name)
        except BadImage as bad:
            logger.warning("passed over %s: %s", path, bad)
    if not pictures:
        raise InputError(
            f"None of the images in {folder} can be decoded. Give a folder of photographs with --images."
        )
    labelled = tuple(labels) if set(labels) <= classes else ()
    return Shown("labelled photographs" if labelled else "photographs", tuple(pictures), labelled)


def _even(items: Sequence) -> list:
    """Return at most ``MOST`` items, evenly spread."""
    if len(items) <= MOST:
        return list(items)
    return [items[i] for i in np.linspace(0, len(items) - 1, MOST).astype(int)]
