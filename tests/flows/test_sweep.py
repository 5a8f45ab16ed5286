"""The flow `sweep` on a real server: one build that works, one that fails, one table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.flows.conftest import SETTINGS, prefect_server
from tests.flows.test_server import api

pytestmark = pytest.mark.timeout(900)


def test_a_build_that_fails_does_not_end_the_others(
    small: Path, env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are tried, what was measured is published, and the failure is raised last, with its words."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from susx.errors import SusxError
    from susx.flows.sweep import sweep_flow

    broken = tmp_path / "broken.yaml"
    broken.write_text("name: broken\nphoto_prompt: '{}'\nclasses: []\n")
    store = tmp_path / "store"
    with prefect_server(env, tmp_path / "server.log"):
        monkeypatch.setenv("PREFECT_API_URL", env["PREFECT_API_URL"])
        with (
            temporary_settings({PREFECT_API_URL: env["PREFECT_API_URL"]}),
            pytest.raises(SusxError, match=r"1 of the sweep's builds failed.*broken") as failed,
        ):
            sweep_flow(
                datasets=[str(broken), str(small)],
                per_class=2,
                store=str(store),
                settings=[*SETTINGS, "tuning=[fixed]"],
            )
        [table] = [a for a in api(env, "/artifacts/filter", {"limit": 50}) if a["key"] == "susx-sweep"]
    assert "classes" in str(failed.value)
    rows = json.loads(table["data"])
    assert {row["data set"] for row in rows} == {str(small)}
    assert {"zero_shot", "whitened_prototypes"} <= {row["method"] for row in rows}
    assert all(0 <= row["top1"] <= 1 for row in rows)
    assert list(store.glob("runs/*"))
