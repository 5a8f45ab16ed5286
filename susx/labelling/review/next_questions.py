"""What to ask next: the images whose answers tell most about the other doubtful ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from susx.errors import SusxError

if TYPE_CHECKING:
    from susx.labelling.review.session import ReviewSession

__all__ = ["asked_next"]

_QUESTIONS = 60
_SHRINKAGE = 0.1
"""As whitened prototypes."""


def asked_next(session: ReviewSession, waiting: Sequence[int]) -> list[int]:
    """Return tiles that nobody answered: 60 that ``ask_next`` names, then all others by doubt.

    Where the store no longer holds the features, all are by doubt.
    """
    margins = session.fit.margins
    by_doubt = sorted(waiting, key=lambda tile: (margins[tile], tile))
    if not session.result.record.store:
        return by_doubt
    try:
        first = _telling(session, by_doubt)
    except SusxError:
        return by_doubt
    chosen = set(first)
    return [*first, *(tile for tile in by_doubt if tile not in chosen)]


def _telling(session: ReviewSession, tiles: Sequence[int]) -> list[int]:
    """Return the tiles that tell most; tables hold the first probability alone, which is all the doubt that is asked for."""
    import torch

    from susx.methods.functional.folder_prototypes import UNSAID, FolderLabels
    from susx.methods.functional.folder_questions import ask_next
    from susx.methods.functional.whitening import covariance, whitening

    latest = session.answers()
    answered = [tile for tile in session.tiles if tile in latest]
    chosen = np.array([*tiles, *answered], dtype=np.int64)
    rows = torch.from_numpy(np.ascontiguousarray(session.features()[chosen]))
    spread = whitening(rows.mean(dim=0), covariance(rows), _SHRINKAGE)
    corrections = torch.full((len(chosen),), UNSAID)
    corrections[len(tiles) :] = 0
    sure = torch.from_numpy(session.fit.sure[chosen]).float()[:, None]
    labels = FolderLabels(
        sure, sure, 1 - sure[:, 0], torch.ones(1), corrections, spread.mean.float(), spread.matrix.float()
    )
    return [int(chosen[at]) for at in ask_next(labels, rows, None, _QUESTIONS)]
