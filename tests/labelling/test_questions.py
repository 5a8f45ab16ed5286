"""Ask me next: with features the telling images come first, without them the doubtful."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from susx.errors import StoreError
from susx.labelling.label_result import LabelResult
from susx.labelling.review.session import Named, ReviewSession
from tests.labelling.conftest import make_result


class _Held(LabelResult):
    """A result whose features are at hand: a cloud of eighty alike images, and forty that are like no other."""

    def features(self) -> np.ndarray:
        rng = np.random.default_rng(0)
        rows = rng.normal(size=(len(self), 16))
        rows[:80] = rng.normal(size=16) * 3 + rng.normal(size=(80, 16)) * 0.2
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows.astype(np.float32)


class _Gone(LabelResult):
    def features(self) -> np.ndarray:
        raise StoreError("The store holds nothing.")


def session_of(kind: type[LabelResult], folder: Path) -> ReviewSession:
    import dataclasses

    result = make_result(folder, 120, drawn=0)
    record = dataclasses.replace(result.record, store=str(folder / "store"))
    return ReviewSession(kind(record, result.frame, folder=result.folder))


def test_the_telling_come_first_and_all_are_there_once(tmp_path: Path) -> None:
    """An image that stands for many comes before those that stand for themselves; nothing is lost or asked twice."""
    session = session_of(_Held, tmp_path)
    order = session.view("next")
    assert sorted(order) == sorted(session.tiles)
    assert order[0] < 80
    assert order != session.view("doubt")
    session.answer([Named(row, "dotted") for row in order[:5]], "ann")
    assert sorted(session.view("next")) == sorted(set(session.tiles) - set(order[:5]))


@pytest.mark.parametrize("kind", [_Gone, LabelResult])
def test_without_features_the_doubtful_come_first(tmp_path: Path, kind: type[LabelResult]) -> None:
    """A store that was cleaned away takes the order, not the view."""
    session = session_of(kind, tmp_path)
    margins = [session.fit.margins[row] for row in session.view("next")]
    assert margins == sorted(margins)
    session.warm()
