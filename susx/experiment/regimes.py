"""Folders that a data set's labelled images are classified as: all of them, few, uneven, with outsiders, in an order.

Accuracy under a regime is that on its images which show a class. Draws are seeded: the same folder for every method.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from susx.errors import ConfigError, InputError, did_you_mean
from susx.seeds import derive_seed

__all__ = ["OUTSIDER", "REGIMES", "Folder", "check_regime", "draw_folder", "is_drawn"]

REGIMES = ("all", "fifth", "unbalanced", "outsiders", "stream", "stream-by-class")
"""Beside these a number of images stands for so many, drawn at random.

``fifth``: the images of a fifth of the classes. ``unbalanced``: half as many images as there are, classes as uneven as a flat Dirichlet
draw. ``outsiders``: 30 % of the folder are images of another data set. ``stream``: in a drawn order; ``stream-by-class``: class after class.
"""

OUTSIDER = -1
"""Label of an image that shows no class."""

_OUTSIDE = 0.3


@dataclass(frozen=True)
class Folder:
    """Images to classify together.

    Attributes:
        images: rows of the split.
        strangers: rows of the other data set's images.
        order: places in both, one after the other, in the order in which they are classified.
    """

    images: Int64[Tensor, " inside"]
    strangers: Int64[Tensor, " outside"]
    order: Int64[Tensor, " query"]


def check_regime(regime: str) -> str:
    """Return the regime.

    Raises:
        ConfigError: there is none of this name, and it is no number of images.
    """
    if regime in REGIMES or (regime.isdecimal() and int(regime) > 0):
        return regime
    raise ConfigError(
        f"There is no regime '{regime}'.{did_you_mean(regime, REGIMES)} Give one of {', '.join(REGIMES)}, or a number of images."
    )


def is_drawn(regime: str) -> bool:
    """Whether chance decides which images or which order a folder has."""
    return regime != "all"


def draw_folder(
    regime: str,
    labels: Int64[Tensor, " query"],
    classes: int,
    seed: int,
    draw: int,
    *,
    shuffled: bool = False,
    strangers: Int64[Tensor, " others"] | None = None,
) -> Folder:
    """Draw a folder.

    Args:
        regime: see ``REGIMES``.
        labels: of all images of the split.
        classes: number of classes.
        seed, draw: which folder.
        shuffled: give the images in a drawn order, as a stream has them.
        strangers: rows of another data set's images that show none of the classes.

    Raises:
        InputError: fewer images than asked for, or no strangers for ``outsiders``.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "folder", regime, draw))

    def shuffle(rows: Tensor) -> Tensor:
        return rows[torch.randperm(len(rows), generator=generator)]

    rows, outside = torch.arange(len(labels)), torch.zeros(0, dtype=torch.int64)
    if regime.isdecimal():
        if int(regime) > len(rows):
            raise InputError(
                f"A folder of {regime} images was asked for, and the split has {len(rows)}. Give a smaller number."
            )
        rows = shuffle(rows)[: int(regime)].sort().values
    elif regime == "fifth":
        # At least two, as one class alone is told from nothing.
        kept = shuffle(labels.unique())[: max(2, round(classes / 5))]  # type: ignore[no-untyped-call]
        rows = torch.isin(labels, kept).nonzero()[:, 0]
    elif regime == "unbalanced":
        shares = np.random.default_rng(derive_seed(seed, "shares", draw)).dirichlet(np.ones(classes))
        counts = np.rint(shares * len(rows) / 2).astype(int)
        parts = [shuffle((labels == c).nonzero()[:, 0])[: int(counts[c])] for c in range(classes)]
        rows = torch.cat(parts).sort().values
    elif regime == "outsiders":
        if strangers is None or not len(strangers):
            raise InputError(
                "The regime 'outsiders' takes images of another data set of the experiment that show none of the classes: name it "
                "with the data set's key 'outsiders'."
            )
        wanted = round(len(rows) * _OUTSIDE / (1 - _OUTSIDE))
        outside = shuffle(strangers)[:wanted].sort().values
        if len(outside) < wanted:  # the share is kept, not the number
            rows = shuffle(rows)[: round(len(outside) * (1 - _OUTSIDE) / _OUTSIDE)].sort().values
    if not len(rows):
        raise InputError(f"The regime '{regime}' leaves no image of {len(labels)}. Give more images.")
    order = torch.arange(len(rows) + len(outside))
    if regime == "stream-by-class":
        turn = shuffle(torch.arange(classes)).argsort()
        order = shuffle(order)
        order = order[turn[labels[rows[order]]].argsort(stable=True)]
    elif regime == "stream" or shuffled:
        order = shuffle(order)
    return Folder(rows, outside, order)
