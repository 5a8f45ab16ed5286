"""``susx experiment`` as a flow: killed and taken up again, in processes, on Ray; the rows are those of one process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from susx.cli import main
from susx.pipeline.executors import InlineExecutor
from susx.pipeline.experiment_graph import measure_experiment, plan_experiment
from susx.pipeline.experiment_result import finish_experiment
from susx.results import Result, read_result
from susx.store import ArtefactStore
from tests.commands.test_features_command import folder
from tests.flows.conftest import ROOT, process, table, wait_for
from tests.flows.test_runners import PATIENCE, cluster, node_options

__all__ = ["cluster"]

pytestmark = pytest.mark.timeout(1500)


@pytest.fixture
def yaml_file(tmp_path: Path) -> Path:
    """One data set, two methods, many draws."""
    folder(tmp_path / "f")
    path = tmp_path / "e.yaml"
    path.write_text(yaml.safe_dump({
        "name": "small", "datasets": {"f": {"features": "f"}}, "methods": ["tip_adapter", "tip_x"], "access": ["shots"],
        "shots": [1, 2], "tuning": ["fixed", "support"], "draws": 6,
    }))  # fmt: skip
    return path


def command(file: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "susx.flows.experiment", str(file), "--store", str(file.parent / "store"),
            "--out", str(file.parent / "result"), *more]  # fmt: skip


def inline(file: Path) -> Result:
    store = ArtefactStore(file.parent / "inline")
    planned = plan_experiment(file)
    return finish_experiment(
        planned, measure_experiment(planned, InlineExecutor(store)), store, file.parent / "expected"
    )


def numbers(result: Result) -> list[tuple[object, ...]]:
    return [(row.method, row.tuning, row.shots, row.draw, row.top1, row.gain) for row in result.rows]


def finished(file: Path) -> int:
    return len(list((file.parent / "store").glob("artefacts/cell/*/*/manifest.json")))


def test_killed_and_taken_up_again(
    yaml_file: Path, env: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """After kill -9 finished cells are there, no result is; the same command does the rest and gives the rows of one process."""
    log = yaml_file.parent / "log"
    with process(command(yaml_file), env, log) as running:
        wait_for(lambda: finished(yaml_file) >= 5 or running.poll() is not None, 400, "no cell was finished")
        running.send_signal(signal.SIGKILL)
        running.wait()
    before = finished(yaml_file)
    assert 5 <= before < 49, log.read_text()
    assert not (yaml_file.parent / "result").exists()
    done = subprocess.run(command(yaml_file), env=env, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "49 of 49 cells measured" in done.stdout
    assert numbers(read_result(yaml_file.parent / "result")) == numbers(inline(yaml_file))
    # Nothing stale: no server is started, and the result is written again.
    main(["experiment", *command(yaml_file)[3:]])
    assert "Nothing is stale" in capsys.readouterr().out


def test_the_flow_publishes_a_table(yaml_file: Path, in_process: dict[str, str]) -> None:
    """Each cell is a row of an artifact; what fails is a row too."""
    from susx.flows.experiment import experiment_flow

    described = yaml.safe_load(yaml_file.read_text())
    yaml_file.write_text(yaml.safe_dump({**described, "shots": [1, 100], "draws": 2, "tuning": ["fixed"]}))
    told = experiment_flow(str(yaml_file), str(yaml_file.parent / "out"), str(yaml_file.parent / "store"))
    assert told == {"result": str(yaml_file.parent / "out"), "cells": 7, "failed": 2}
    assert "no class has more than 8" in str(table(in_process, "susx-experiment"))


@pytest.mark.nightly
@pytest.mark.parametrize("runner", ["processes", "ray"])
def test_elsewhere_the_rows_are_the_same(
    runner: str, yaml_file: Path, env: dict[str, str], request: pytest.FixtureRequest
) -> None:
    """In a pool of processes, and on a Ray cluster."""
    more = ["--runner", runner]
    if runner == "ray":
        nodes = request.getfixturevalue("cluster")
        nodes.add_node(wait=True, **node_options(1))
        more += ["--ray-address", nodes.address]
    done = subprocess.run(
        command(yaml_file, *more), env=env | PATIENCE, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert numbers(read_result(yaml_file.parent / "result")) == numbers(inline(yaml_file))
