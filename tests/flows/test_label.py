"""The flow `label` on a real server: the labels of the library, each stage a task, and a table for people."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from susx.testing.photos import take_photos
from susx.testing.world import CLASSES
from tests.flows.conftest import prefect_server
from tests.flows.test_server import api

pytestmark = pytest.mark.timeout(900)


def test_labels_are_those_of_the_library(
    env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flow writes what `susx.label` returns, and a second run computes nothing."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    import susx
    from susx.flows.label import label_flow

    take_photos(tmp_path / "photos", CLASSES, 3)
    asked = {"store": str(tmp_path / "store"), "out": str(tmp_path / "out"), "no_pool": True}
    with prefect_server(env, tmp_path / "server.log"):
        monkeypatch.setenv("PREFECT_API_URL", env["PREFECT_API_URL"])
        with temporary_settings({PREFECT_API_URL: env["PREFECT_API_URL"]}):
            first = label_flow(str(tmp_path / "photos"), names=list(CLASSES), **asked)
            again = label_flow(str(tmp_path / "photos"), names=list(CLASSES), **asked)
            tables = api(env, "/artifacts/filter", {"limit": 10})
    labels = susx.label(tmp_path / "photos", CLASSES, store=tmp_path / "store", no_pool=True)
    written = pd.read_parquet(tmp_path / "out" / "labels.parquet")
    assert list(written["label"]) == list(labels.frame["label"])
    assert first["images"] == 12
    assert {"encode-folder", "class-model", "label"} <= {stage["stage"] for stage in first["stages"]}
    assert not any(stage["computed"] for stage in again["stages"])
    assert "susx-label" in {table["key"] for table in tables}
