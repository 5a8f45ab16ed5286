"""The same build in processes and on a Ray cluster that loses a node gives the artefacts of a local one."""

from __future__ import annotations

import importlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from susx.errors import ConfigError, ServerError
from susx.flows.settings import prepare_environment
from susx.pipeline.executors import InlineExecutor
from susx.pipeline.graph import build
from susx.pipeline.plan import BuildOptions, plan_build
from susx.store import ArtefactStore
from tests.flows.conftest import ROOT, SETTINGS, build_command, free_port, process, wait_for

pytestmark = pytest.mark.timeout(1500)

PATIENCE = {
    "RAY_agent_register_timeout_ms": "300000",
    "RAY_raylet_start_wait_time_s": "300",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Ray's own deadlines are for machines with cores to spare."""


def digests(store: Path) -> dict[str, str]:
    """Return the content digest of every artefact but the report (which says when and how long)."""
    found = {}
    for path in store.glob("artefacts/*/*/*/manifest.json"):
        stage, key = path.parts[-4], path.parts[-2]
        if stage != "report":
            found[f"{stage}/{key}"] = json.loads(path.read_text())["digest"]
    return found


def inline(small: Path, store: Path, threads: int | None = None) -> dict[str, str]:
    """Build without Prefect, with torch on so many threads, and return the digests."""
    options = BuildOptions(str(small), per_class=2, store=str(store), settings=tuple(SETTINGS))
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        build(plan_build(options), InlineExecutor(ArtefactStore(store)))
    finally:
        torch.set_num_threads(before)
    return digests(store)


def node_options(cpus: int) -> dict[str, Any]:
    """Return a node without GPUs. Its agents get ports of ours: finding their own has a short deadline in Ray."""
    ports = (
        "metrics_agent_port",
        "runtime_env_agent_port",
        "dashboard_agent_listen_port",
        "metrics_export_port",
    )
    options = {"num_cpus": cpus, "num_gpus": 0, "object_store_memory": 80_000_000, "include_dashboard": False}
    return options | {name: free_port() for name in ports}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A Ray cluster with a head on loopback; a busy machine is given time."""
    pytest.importorskip("prefect_ray", reason="prefect-ray is not installed")
    for name, value in PATIENCE.items():
        monkeypatch.setenv(name, value)
    from ray.cluster_utils import Cluster

    # The agents without the dashboard's packages: nobody looks at it, and importing them takes the agents' time.
    utils = importlib.import_module("ray._private.utils")
    monkeypatch.setattr(utils, "get_dashboard_dependency_error", lambda: ImportError("not wanted"))
    # Ray gives a node's agents half a minute, which a busy machine may not: a second or third try finds files cached.
    for attempt in range(3):
        nodes = Cluster()
        try:
            nodes.add_node(wait=True, **node_options(1))
            break
        except Exception as error:
            nodes.shutdown()
            if attempt == 2:
                pytest.skip(f"Ray cannot start a node on this machine within its own deadline: {error}")
    try:
        yield nodes
    finally:
        nodes.shutdown()


@pytest.mark.nightly
def test_ray_cluster_that_loses_a_node(
    small: Path, env: dict[str, str], cluster: Any, tmp_path: Path
) -> None:
    """A node is killed in mid-run; the run completes and its artefacts equal those of a run in one process."""
    second = cluster.add_node(wait=True, **node_options(2))
    store = tmp_path / "ray"
    command = build_command(small, str(store), "--runner", "ray", "--ray-address", cluster.address)
    with process(command, env | PATIENCE, tmp_path / "build.log") as run:
        wait_for(
            lambda: (store / "artefacts" / "pool").is_dir() or run.poll() is not None, 900, "no pool stage"
        )
        assert run.poll() is None, (tmp_path / "build.log").read_text()[-3000:]
        cluster.remove_node(second, allow_graceful=False)
        assert run.wait(1200) == 0, (tmp_path / "build.log").read_text()[-3000:]
    # Ray gives a task one thread; another number of threads may change the last bits of features.
    assert digests(store) == inline(small, tmp_path / "inline", threads=1)


@pytest.mark.nightly
def test_processes_give_the_same_artefacts(small: Path, env: dict[str, str], tmp_path: Path) -> None:
    """The build in a pool of processes equals the one in one process."""
    store = tmp_path / "processes"
    done = subprocess.run(
        build_command(small, str(store), "--runner", "processes"),
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert digests(store) == inline(small, tmp_path / "inline", threads=1)


def test_an_unknown_runner_and_a_cluster_that_is_not_there() -> None:
    """Both are refused in words that say what to do."""
    prepare_environment()
    from susx.flows.runners import open_runner

    with pytest.raises(ConfigError, match="Did you mean 'ray'"), open_runner("rayy"):
        pass
    pytest.importorskip("prefect_ray", reason="prefect-ray is not installed")
    with pytest.raises(ServerError, match="ray start --head"), open_runner("ray", "127.0.0.1:1"):
        pass
