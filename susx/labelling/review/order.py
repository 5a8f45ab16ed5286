"""The views of a review, and the order of tiles in each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from susx.labelling.review.next_questions import asked_next

if TYPE_CHECKING:
    from susx.labelling.review.session import ReviewSession

__all__ = ["ORDERS", "View", "ordered"]

View = Literal["class", "doubt", "next", "none", "answered", "audit"]

ORDERS = ("doubt", "sure")

_OUTSIDER = 0.5


def ordered(session: ReviewSession, view: View, name: str, order: str) -> list[int]:
    """Return the tiles of a view.

    ``class``: those labelled ``name`` now, by people or by the table. ``doubt``: all that nobody answered, the smallest margin first. ``next``:
    the same, but those that the fit can learn most from first, as long as it says which. ``none``: likely outsiders and what was said to be
    none of the classes. ``latest``: answers, the last first.
    """
    latest = session.answers()
    tiles = session.tiles
    fit = session.fit
    doubt = np.minimum(fit.margins, 1 - fit.outside)
    if view == "answered":
        return sorted(
            (tile for tile in tiles if tile in latest), key=lambda tile: latest[tile].time, reverse=True
        )
    if view == "class":
        chosen = [tile for tile in tiles if session.current(tile, latest) == name]
        sign = -1 if order == "sure" else 1
        return sorted(chosen, key=lambda tile: (sign * doubt[tile], tile))
    if view == "none":
        chosen = [
            t
            for t in tiles
            if session.current(t, latest) == "" or (t not in latest and fit.outside[t] >= _OUTSIDER)
        ]
        return sorted(chosen, key=lambda tile: (-fit.outside[tile], tile))
    waiting = [tile for tile in tiles if tile not in latest and not fit.answered_before[tile]]
    if view == "next":
        return asked_next(session, waiting)
    return sorted(waiting, key=lambda tile: (doubt[tile], tile))
