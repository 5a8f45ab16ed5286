"""Slots of the accelerator on a real server: taken, held, orphaned, freed."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from susx.flows.device_limit import LIMIT, ensure_device_limit, free_orphaned_slots, waiting_for_device
from tests.flows.conftest import prefect_server
from tests.flows.test_server import api

pytestmark = pytest.mark.timeout(900)


def test_slots_of_the_accelerator(
    env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slot without a lease (its server was started again) is freed; one that is held is waited for, in words."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with prefect_server(env, tmp_path / "server.log"):
        monkeypatch.setenv("PREFECT_API_URL", env["PREFECT_API_URL"])
        with temporary_settings({PREFECT_API_URL: env["PREFECT_API_URL"]}):
            ensure_device_limit()
            assert api(env, f"/v2/concurrency_limits/{LIMIT}")["limit"] == 1
            api(env, "/v2/concurrency_limits/increment", {"names": [LIMIT], "slots": 1})
            assert api(env, f"/v2/concurrency_limits/{LIMIT}")["active_slots"] == 1
            ensure_device_limit()
            assert api(env, f"/v2/concurrency_limits/{LIMIT}")["active_slots"] == 0
            assert waiting_for_device([]) == ""
            other, mine = uuid.uuid4(), uuid.uuid4()
            holder = {"type": "task_run", "id": str(other)}
            body = {"names": [LIMIT], "slots": 1, "lease_duration": 60, "holder": holder}
            api(env, "/v2/concurrency_limits/increment-with-lease", body)
            assert free_orphaned_slots() == 0
            assert str(other) in waiting_for_device([mine])
            assert waiting_for_device([mine, other]) == ""
            assert api(env, f"/v2/concurrency_limits/{LIMIT}")["active_slots"] == 1
