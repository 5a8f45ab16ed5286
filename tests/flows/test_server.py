"""Deployments on a real Prefect server with a real process worker."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.flows.conftest import ROOT, SETTINGS, build_command, free_port, prefect_server, process, wait_for

pytestmark = pytest.mark.timeout(1500)


def api(env: dict[str, str], path: str, body: Any = None) -> Any:
    """Ask the server; a body makes it a POST."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        env["PREFECT_API_URL"] + path, data, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def prefect(env: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", *words],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def finished(env: dict[str, str], run: str, seconds: float = 900) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def over() -> bool:
        found.update(api(env, f"/flow_runs/{run}"))
        return found["state_type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}

    wait_for(over, seconds, "the flow run did not end")
    return found


def task_states(env: dict[str, str], run: str) -> list[tuple[str, str]]:
    """Return (task run name, state name) of a run; the server writes them a little after the run's end."""
    tasks: list[dict[str, Any]] = []
    for _ in range(60):
        before = len(tasks)
        tasks = api(env, "/task_runs/filter", {"flow_runs": {"id": {"any_": [run]}}, "limit": 200})
        if tasks and len(tasks) == before and all(task["state_type"] == "COMPLETED" for task in tasks):
            break
        time.sleep(2)
    return [(task["name"], task["state_name"]) for task in tasks]


def deploy_and_run_twice(env: dict[str, str], small: Path, tmp_path: Path, *which: str) -> None:
    """Deploy, run build/demo twice on a worker, and look at what the server knows of it."""
    # A busy machine's SQLite answers 503 now and then.
    env["PREFECT_CLIENT_MAX_RETRIES"] = "8"
    prefect(env, "work-pool", "create", "susx", "--type", "process")
    prefect(env, "deploy", *which, "--prefect-file", "flows/prefect.yaml")
    demo = api(env, "/deployments/name/build/demo")
    form = demo["parameter_openapi_schema"]["properties"]
    assert set(form["mode"]["enum"]) >= {"retrieve", "generate"}
    assert all(field.get("description") for field in form.values())
    parameters = {
        "dataset": str(small), "per_class": 2, "store": str(tmp_path / "store"), "settings": SETTINGS,
    }  # fmt: skip
    worker = [
        sys.executable,
        "-m",
        "prefect",
        "worker",
        "start",
        "--pool",
        "susx",
        "--type",
        "process",
        "--limit",
        "1",
    ]
    words = [
        word for name, value in parameters.items() for word in ("--param", f"{name}={json.dumps(value)}")
    ]
    runs = []
    with process(worker, env, tmp_path / "worker.log"):
        for _ in range(2):
            if not runs:
                prefect(env, "deployment", "run", "build/demo", *words)
                [first] = api(env, "/flow_runs/filter", {"limit": 5})
                runs.append(first["id"])
            else:
                made = api(env, f"/deployments/{demo['id']}/create_flow_run", {"parameters": parameters})
                runs.append(made["id"])
            ended = finished(env, runs[-1])
            assert ended["state_type"] == "COMPLETED", (tmp_path / "worker.log").read_text()[-3000:]
    first, second = (task_states(env, run) for run in runs)
    assert {state for _, state in first} == {"Completed"}
    assert {state for _, state in second} == {"Cached"}
    assert sorted(name for name, _ in first) == sorted(name for name, _ in second)
    assert "small / fetch / banded" in {name for name, _ in first}
    kinds = {artifact["type"] for artifact in api(env, "/artifacts/filter", {"limit": 100})}
    assert kinds >= {"table", "markdown", "progress"}
    assert api(env, "/v2/concurrency_limits/tag:susx-device")["limit"] == 1


def test_deployments_run_on_a_worker(small: Path, env: dict[str, str], tmp_path: Path) -> None:
    """All deployments are made; build/demo runs twice on SQLite, the second run all Cached."""
    with prefect_server(env, tmp_path / "server.log"):
        deploy_and_run_twice(env, small, tmp_path, "--all")
        names = {item["name"] for item in api(env, "/deployments/filter", {"limit": 100})}
        profiles = {path.stem for path in (ROOT / "configs" / "profiles").glob("*.yaml")}
        assert names == profiles | {"nightly", "features", "folder", "profiles", "yaml"}
        nightly = api(env, "/deployments/name/build/nightly")
        assert [schedule["active"] for schedule in nightly["schedules"]] == [False]


@contextlib.contextmanager
def postgres(tmp_path: Path) -> Iterator[str]:
    """Run a PostgreSQL server of Debian's package as a user without rights; yield its address."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    pytest.importorskip("asyncpg", reason="asyncpg is not installed")
    programs, prefix = found[-1].parent, []
    if os.getuid() == 0:
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("initdb refuses root and there is no user postgres")
        prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    # Other users cannot enter pytest's folders.
    home = Path("/tmp") / f"susx-pg-{os.getpid()}"
    home.mkdir(mode=0o700)
    try:
        if prefix:
            shutil.chown(home, "postgres", "postgres")
        port = str(free_port())
        subprocess.run(
            [*prefix, str(programs / "initdb"), "-D", str(home / "data"), "-U", "susx", "-A", "trust", "-E", "UTF8"],
            check=True, capture_output=True, cwd="/",
        )  # fmt: skip
        command = [
            *prefix,
            str(programs / "postgres"),
            "-D",
            str(home / "data"),
            "-h",
            "127.0.0.1",
            "-p",
            port,
            "-k",
            str(home),
        ]
        with process(command, os.environ, tmp_path / "postgres.log"):
            ready = [str(programs / "pg_isready"), "-h", "127.0.0.1", "-p", port]
            wait_for(lambda: subprocess.run(ready, capture_output=True).returncode == 0, 120, "no PostgreSQL")
            yield f"postgresql+asyncpg://susx@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(home, ignore_errors=True)


def test_deployments_run_with_postgresql(small: Path, env: dict[str, str], tmp_path: Path) -> None:
    """One of them, with PostgreSQL as the server's database."""
    with postgres(tmp_path) as address:
        env["PREFECT_API_DATABASE_CONNECTION_URL"] = address
        with prefect_server(env, tmp_path / "server.log"):
            deploy_and_run_twice(env, small, tmp_path, "--name", "demo")


def test_a_server_that_goes_away_keeps_finished_work(
    small: Path, env: dict[str, str], tmp_path: Path
) -> None:
    """The server is killed in mid-run: one paragraph, finished artefacts stay, the next run completes with them."""
    store = tmp_path / "store"
    command = build_command(small, str(store))
    with (
        prefect_server(env, tmp_path / "server.log") as server,
        process(command, env, tmp_path / "build.log") as build,
    ):
        wait_for(
            lambda: (store / "artefacts" / "search").is_dir() or build.poll() is not None,
            900,
            "no search stage",
        )
        server.kill()
        code = build.wait(600)
    said = (tmp_path / "build.log").read_text()
    assert code == 2, said[-2000:]
    assert "Finished work is kept" in said
    assert "Traceback" not in said
    made = {path.parent for path in store.glob("artefacts/*/*/*/manifest.json")}
    stamps = {path: (path / "manifest.json").stat().st_mtime_ns for path in made}
    assert made
    env.pop("PREFECT_API_URL")
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path: (path / "manifest.json").stat().st_mtime_ns for path in made} == stamps
    [run] = store.glob("runs/*/run.json")
    assert yaml.safe_load(run.read_text())["methods"]
