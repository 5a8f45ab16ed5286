"""What every test gets: real data where it is set, no telemetry, and a store of the session that all its stores share."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest

from susx.flows.settings import prepare_environment
from susx.store.user_cache import SHARED

prepare_environment()

_OURS = "SUSX_TEST_SHARED"
"""Names the folder that this session made: set where tests are collected, inherited by the processes that run them."""

if _OURS not in os.environ:
    # What the embedded pool is to a user: drawn once a session, never taken from the home of who runs the tests.
    os.environ[_OURS] = tempfile.mkdtemp(prefix="susx-tests-")
os.environ[SHARED] = os.environ[_OURS]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the session's store, in the process that made it."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(_OURS), ignore_errors=True)


LONGEST = (
    "docs/test_commands_run",
    "flows/test_server",
    "flows/test_runners",
    "stages/test_retrieve_stage",
    "stages/test_staleness",
)
"""Files of a minute and more: begun first, so that the last of two processes does not end alone with them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""

    def place(item: pytest.Item) -> int:
        return next((i for i, name in enumerate(LONGEST) if name in item.nodeid), len(LONGEST))

    items.sort(key=place)


@pytest.fixture(autouse=True)
def _types_at_run_time(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave the check of types to susx itself in a test that is marked ``untyped``."""
    jaxtyping.config.update("jaxtyping_disable", request.node.get_closest_marker("untyped") is not None)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real features and photographs, or skip."""
    folder = os.environ.get("SUSX_REAL_DATA")
    if not folder:
        pytest.skip("SUSX_REAL_DATA is not set: no real CLIP features or photographs to test on")
    return Path(folder)
