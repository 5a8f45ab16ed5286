"""The flow `label` on a real server: the labels of the library, each stage a task, and a table for people."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from susx.testing.photos import take_photos
from susx.testing.world import CLASSES
from tests.flows.conftest import table

pytestmark = pytest.mark.timeout(900)


def test_labels_are_those_of_the_library(in_process: dict[str, str], tmp_path: Path) -> None:
    """The flow writes what `susx.label` returns, and a second run computes nothing."""
    import susx
    from susx.flows.label import label_flow

    take_photos(tmp_path / "photos", CLASSES, 3)
    asked = {"store": str(tmp_path / "store"), "out": str(tmp_path / "out"), "no_pool": True}
    first = label_flow(str(tmp_path / "photos"), names=list(CLASSES), **asked)
    again = label_flow(str(tmp_path / "photos"), names=list(CLASSES), **asked)
    labels = susx.label(tmp_path / "photos", CLASSES, store=tmp_path / "store", no_pool=True)
    written = pd.read_parquet(tmp_path / "out" / "labels.parquet")
    assert list(written["label"]) == list(labels.frame["label"])
    assert first["images"] == 12
    assert {"encode-folder", "class-model", "label"} <= {stage["stage"] for stage in first["stages"]}
    assert not any(stage["computed"] for stage in again["stages"])
    assert table(in_process, "susx-label")
