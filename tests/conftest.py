"""What every test gets: real data where it is set, no telemetry, and a store of the session that all its stores share."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import jaxtyping
import pytest

from susx.flows.settings import prepare_environment
from susx.store.user_cache import SHARED

prepare_environment()

# A property is right or wrong, however busy the machine is: no example is timed.
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")

SESSION = "SUSX_TEST_SESSION"
"""Names the folder of what a session makes once: set where tests are collected, inherited by the processes that run them."""

_MADE_HERE = SESSION not in os.environ
if _MADE_HERE:
    # What the embedded pool is to a user: drawn once a session, never taken from the home of who runs the tests.
    os.environ[SESSION] = tempfile.mkdtemp(prefix="susx-tests-")
os.environ[SHARED] = os.path.join(os.environ[SESSION], "shared")


def pytest_unconfigure() -> None:
    """Remove the session's folder, in the process that made it."""
    if _MADE_HERE:
        shutil.rmtree(os.environ[SESSION], ignore_errors=True)


ALONE = ("tests/docs/test_commands_run.py::", "tests/flows/test_server.py::")
"""Of these files each test may run in another process: they share little, and whole they are longer than the rest can wait for."""

LONGEST = (
    "docs/test_commands_run",
    "flows/test_server",
    "flows/test_runners",
    "pipeline/test_sources_in_a_build",
    "pipeline/test_retrieve_stage",
    "pipeline/test_staleness",
    "flows/test_temporary",
    "pipeline/test_crashes",
    "pipeline/test_generate_stage",
    "images/generate/test_draw",
    "packaging/test_wheel",
    "packaging/test_light",
    "demo/test_train_clip",
    "pipeline/test_shared",
    "report/test_browser",
    "classifier/test_serve",
)
"""Files of a minute and more: begun first, so that the last process does not end alone with them."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give a process a file at a time (its fixtures are made once), of ``ALONE`` a test at a time."""
    from xdist.scheduler import LoadFileScheduling

    class Files(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return nodeid if nodeid.startswith(ALONE) else super()._split_scope(nodeid)

    return Files(config, log) if config.getvalue("dist") == "loadfile" else None


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


@pytest.fixture(scope="module", autouse=True)
def _no_event_loop_is_left() -> Iterator[None]:
    """Fail where a file of tests leaves an event loop running in this thread: code of later files could start none."""
    yield
    assert asyncio._get_running_loop() is None, (
        "a fixture of this file or of the session keeps an event loop running"
    )


_CHROMIUM = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run", "--disable-dev-shm-usage",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by playwright; tests are skipped where there is none.

    A module's, not the session's: playwright keeps an event loop running in this thread, in which no other can run.
    """
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("no chromium on the path; on Debian: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=executable, args=list(_CHROMIUM))
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real features and photographs, or skip."""
    folder = os.environ.get("SUSX_REAL_DATA")
    if not folder:
        pytest.skip("SUSX_REAL_DATA is not set: no real CLIP features or photographs to test on")
    return Path(folder)
