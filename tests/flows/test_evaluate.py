"""The flow `evaluate` on a real server: the rows of the library, and a table of them for people."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest

from tests.commands.test_features_command import folder
from tests.flows.conftest import prefect_server
from tests.flows.test_server import api

pytestmark = pytest.mark.timeout(900)


def test_rows_are_those_of_the_library(
    env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flow returns and publishes what `evaluate_features` measures."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from susx.experiment.features import evaluate_features
    from susx.features.files import read_features
    from susx.flows.evaluate import evaluate_flow

    features = folder(tmp_path / "features")
    with prefect_server(env, tmp_path / "server.log"):
        monkeypatch.setenv("PREFECT_API_URL", env["PREFECT_API_URL"])
        with temporary_settings({PREFECT_API_URL: env["PREFECT_API_URL"]}):
            rows = evaluate_flow(str(features), methods="zero_shot, tip_x", tuning="fixed")
            [table] = api(env, "/artifacts/filter", {"limit": 10})
    measured = evaluate_features(
        read_features(features), methods=["zero_shot", "tip_x"], tuning=["fixed"]
    ).rows
    assert [(row["method"], row["top1"]) for row in rows] == [(row.method, row.top1) for row in measured]
    assert set(rows[0]) == {field.name for field in dataclasses.fields(measured[0])}
    assert all(math.isfinite(row["top1"]) for row in rows)
    assert table["key"] == "susx-evaluate"
    assert "tip_x" in table["data"]
