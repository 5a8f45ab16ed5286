"""The flow `evaluate` on a real server: the rows of the library, and a table of them for people."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest

from tests.commands.test_features_command import folder
from tests.flows.conftest import table

pytestmark = pytest.mark.timeout(900)


def test_rows_are_those_of_the_library(in_process: dict[str, str], tmp_path: Path) -> None:
    """The flow returns and publishes what `evaluate_features` measures."""
    from susx.experiment.evaluate_features import evaluate_features
    from susx.features.feature_folder import read_features
    from susx.flows.evaluate import evaluate_flow

    features = folder(tmp_path / "features")
    rows = evaluate_flow(str(features), methods="zero_shot, tip_x", tuning="fixed")
    measured = evaluate_features(
        read_features(features), methods=["zero_shot", "tip_x"], tuning=["fixed"]
    ).rows
    assert [(row["method"], row["top1"]) for row in rows] == [(row.method, row.top1) for row in measured]
    assert set(rows[0]) == {field.name for field in dataclasses.fields(measured[0])}
    assert all(math.isfinite(row["top1"]) for row in rows)
    assert "tip_x" in {row["method"] for row in table(in_process, "susx-evaluate")}
