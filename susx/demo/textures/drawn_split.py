"""Pictures of the textures data set, each drawn from its own seed: nothing is stored and nothing is shared.

Splits ``val`` and ``test`` exist in the "camera" domain only, ``train`` (for the tiny CLIP) and ``pool`` (what can be
retrieved) in "web" only. The seed holds domain, split, category and index, so no picture is in two splits.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from susx.demo.textures.catalogue import CATEGORIES, DRAW
from susx.demo.textures.domains import DOMAINS
from susx.errors import InputError, did_you_mean
from susx.seeds import derive_seed

__all__ = ["ROOT_SEED", "SPLITS", "contact_sheet", "render"]

#: Root of every picture's seed; the data set is this number and the code.
ROOT_SEED = 2014

#: Split -> the one domain it is drawn in.
SPLITS = {"pool": "web", "test": "camera", "train": "web", "val": "camera"}


def render(
    category: str, domain: str, split: str, index: int, size: int = 64, root_seed: int = ROOT_SEED
) -> UInt8[np.ndarray, "size size 3"]:
    """Draw picture ``index`` of a category: the same bytes whatever was drawn before.

    Args:
        category: one of ``CATEGORIES``.
        domain: "web" or "camera"; must be the domain of the split.
        split: "train" or "pool" (web), "val" or "test" (camera).
        index: which picture, from 0.
        size: width and height in pixels.
        root_seed: another root gives another data set of the same kind.

    Raises:
        InputError: unknown category or split, or a split asked for in the other domain.
    """
    if category not in DRAW:
        raise InputError(f"textures: no category {category!r}.{did_you_mean(category, CATEGORIES)}")
    if SPLITS.get(split) != domain:
        raise InputError(
            f"textures: expected a split with its domain out of {sorted(SPLITS.items())}, found "
            f"split {split!r} in domain {domain!r}."
        )
    rng = np.random.default_rng(derive_seed(root_seed, "textures", domain, split, category, index))
    return DOMAINS[domain](DRAW[category], rng, size)


def contact_sheet(
    split: str = "pool", per_category: int = 4, columns: int = 3, zoom: int = 2, size: int = 64
) -> Image.Image:
    """All categories on one labelled sheet, ``per_category`` pictures each, enlarged ``zoom`` times."""
    tile, header = size * zoom, 16
    width, height = per_category * tile + 12, tile + header
    rows = -(-len(CATEGORIES) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height), "white")
    pen = ImageDraw.Draw(sheet)
    for cell, category in enumerate(CATEGORIES):
        row, column = divmod(cell, columns)
        pen.text((column * width + 2, row * height + 2), category, fill="black")
        for index in range(per_category):
            pixels = render(category, SPLITS[split], split, index, size)
            picture = Image.fromarray(pixels).resize((tile - 2, tile - 2), Image.Resampling.BICUBIC)
            sheet.paste(picture, (column * width + index * tile, row * height + header - 2))
    return sheet
