"""Accuracy so far, with what may be concluded from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from susx.labelling.answers_file import Answer
from susx.types import Json

if TYPE_CHECKING:
    from susx.labelling.review.session import ReviewSession

__all__ = ["accuracy_of"]


def accuracy_of(session: ReviewSession, latest: Mapping[int, Answer], audit: Json) -> Json:
    """Return the accuracy of the labels among an audit's answers, with its interval, and among all others, without one.

    An audit's images are random, and asked in random order: what is answered so far is a fair sample of the labels it was drawn from. Images
    that a person chose, or that were shown because they were doubtful, are not, and no interval makes them so.
    """
    from susx.evaluation.interval import exact_interval

    judged = [tile for tile in session.tiles if tile in latest and not session.fit.answered_before[tile]]
    chosen = {"n": len(judged), "right": sum(latest[row].label == session.fit.labels[row] for row in judged)}
    random = None
    if audit is not None and audit["answered"]:
        right = audit["answered"] - audit["wrong"]
        low, high = exact_interval(right, audit["answered"])
        random = {
            "n": audit["answered"],
            "right": right,
            "low": low,
            "high": high,
            "of": audit["of"],
            "everything": audit["everything"],
        }
    return {"random": random, "chosen": chosen}
