"""A tiny data set for flows, and real servers on loopback that are stopped by their process id."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from susx.store.user_cache import SHARED

ROOT = Path(__file__).parents[2]
SETTINGS = ["retrieval.pool_size=240", "retrieval.over_fetch=2"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def process(command: list[str], env: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen]:
    """Run a process until the block ends."""
    with log.open("wb") as output:
        running = subprocess.Popen(command, env=dict(env), stdout=output, stderr=output, cwd=ROOT)
        try:
            yield running
        finally:
            running.terminate()
            try:
                running.wait(30)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()


def wait_for(ready: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.5)


def prepared_database(env: dict[str, str]) -> None:
    """Copy an empty database of Prefect's to where its server looks for one: making it takes ten seconds, and is done once a session."""
    home, session = Path(env["PREFECT_HOME"]), Path(os.environ["SUSX_TEST_SESSION"]) / "prefect"
    session.mkdir(parents=True, exist_ok=True)
    with FileLock(session / "lock"):
        if not (session / "done").exists():
            command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"]
            subprocess.run(
                command,
                env={**env, "PREFECT_HOME": str(session)},
                cwd=session,
                check=True,
                capture_output=True,
            )
            (session / "done").touch()
    home.mkdir(parents=True, exist_ok=True)
    for path in session.glob("prefect.db*"):
        shutil.copy(path, home)


@contextlib.contextmanager
def prefect_server(env: dict[str, str], log: Path) -> Iterator[subprocess.Popen]:
    """Start ``prefect server start`` and point ``env`` at it."""
    if "PREFECT_API_DATABASE_CONNECTION_URL" not in env:
        prepared_database(env)
    port = free_port()
    env["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
    command = [
        sys.executable,
        "-m",
        "prefect",
        "server",
        "start",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--no-ui",
    ]
    with process(command, env, log) as server:

        def healthy() -> bool:
            assert server.poll() is None, log.read_text()
            try:
                return urllib.request.urlopen(env["PREFECT_API_URL"] + "/health", timeout=5).status == 200
            except OSError:
                return False

        wait_for(healthy, 400, "the Prefect server did not start: " + str(log))
        yield server


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The YAML of a data set of three textures."""
    path = tmp_path / "small.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "name": "small", "photo_prompt": "{} texture.", "classes": ["banded", "dotted", "woven"],
                "reader": {"kind": "demo", "options": {"val": 2, "test": 3}},
            }
        )
    )  # fmt: skip
    return path


def environment(home: Path) -> dict[str, str]:
    """An environment with a Prefect home of its own and no telemetry."""
    drop = ("PREFECT_", "SUSX_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(drop) or name == SHARED}
    return kept | {
        "PREFECT_HOME": str(home / "prefect"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1",
        "PREFECT_CLIENT_MAX_RETRIES": "1", "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "400",
        "OMP_NUM_THREADS": "1", "PWD": str(ROOT), "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1", "COLUMNS": "200",
    }  # fmt: skip


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """What a process with a Prefect home of its own is started with."""
    return environment(tmp_path)


@pytest.fixture(scope="session")
def server_of_this_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server for flows that run in this very process, and the environment that points at it.

    Prefect's services of a process (events, slots) keep the first address that they were given. A second server
    in the same process would be asked at the first one's address, which nobody answers.
    """
    home = tmp_path_factory.mktemp("flows")
    env = environment(home)
    with prefect_server(env, home / "server.log"):
        yield env


@pytest.fixture
def in_process(
    server_of_this_process: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """Point this process at its server for one test."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    url = server_of_this_process["PREFECT_API_URL"]
    monkeypatch.setenv("PREFECT_API_URL", url)
    with temporary_settings({PREFECT_API_URL: url}):
        yield server_of_this_process


def table(env: dict[str, str], key: str) -> list[dict]:
    """The rows of the newest table that was published under a key."""
    request = urllib.request.Request(
        env["PREFECT_API_URL"] + f"/artifacts/{key}/latest", headers={"Accept": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(json.load(answer)["data"])


def build_command(small: Path, store: str, *more: str) -> list[str]:
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    return [
        sys.executable, "-m", "susx.flows.build", "--dataset", str(small), "--mode", "retrieve", "--per-class", "2",
        *settings, "--store", store, *more,
    ]  # fmt: skip
