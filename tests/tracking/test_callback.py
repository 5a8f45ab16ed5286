"""What a finished build tells: the summary's numbers, to a function of one's own or to a tracker."""

from __future__ import annotations

import json
import sys
import tempfile
import time
import types

import pytest

from susx.cli import main
from susx.errors import ConfigError, SusxError
from susx.testing.world import new_world
from susx.tracking import load_callback, metrics_of, mlflow, notify, wandb

SUMMARY = {
    "run": "fabrics-demo", "dataset": "fabrics", "profile": "demo", "mode": "retrieve", "command": "susx build",
    "report": "runs/x/report.html",
    "methods": [
        {"method": "zero_shot", "tuning": "", "top1": 0.5, "low": 0.4, "high": 0.6, "n": 100},
        {"method": "tip_x", "tuning": "fixed"},
    ],
    "stages": [{"stage": "fit", "seconds": 1.5}],
}  # fmt: skip


def test_numbers_are_named_by_method_and_tuning():
    """Rows that were not measured give none."""
    assert metrics_of(SUMMARY) == {
        "zero_shot/top1": 0.5, "zero_shot/low": 0.4, "zero_shot/high": 0.6, "zero_shot/n": 100.0, "seconds/fit": 1.5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("susx.tracking", "package.module:function"),
        (":wandb", "package.module:function"),
        ("no.such.module:f", "cannot be imported"),
        ("susx.tracking:wandbb", "cannot be imported"),
        ("susx.tracking.trackers:_SETTINGS", "is no function but tuple"),
    ],
)
def test_a_callback_that_cannot_be_is_refused_before_the_build(name, said, tmp_path, monkeypatch, capsys):
    """With exit code 2; no store is made."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=said):
        load_callback(name)
    with pytest.raises(SystemExit, match="2"):
        main(["build", "--dataset", "textures", "--callback", name])
    assert said in " ".join(capsys.readouterr().err.split())
    assert list(tmp_path.iterdir()) == []


def test_a_failing_callback_says_that_the_build_is_finished():
    """By where its report is, what went wrong, and that nothing is lost."""

    def fails(summary):
        raise ValueError("no room")

    with pytest.raises(
        SusxError, match=r"finished \(runs/x/report\.html\).*ValueError: no room.*nothing is computed twice"
    ):
        notify(fails, SUMMARY)


@pytest.mark.parametrize("tracker", [wandb, mlflow])
def test_a_library_that_is_not_there_is_named(tracker, monkeypatch):
    """With the command that installs it."""
    name = tracker.__name__
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=f"pip install {name}"):
        tracker(SUMMARY)


def test_weights_and_biases_takes_the_run(tmp_path, monkeypatch):
    """The library itself, offline: its files hold settings and numbers."""
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    wandb(SUMMARY)
    (kept,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    words = (b"fabrics-demo", b"zero_shot/top1", b"runs/x/report.html")
    for _ in range(600):  # a process of the library's writes it, at times after the run's end
        content = kept.read_bytes()
        if all(word in content for word in words):
            return
        time.sleep(0.1)
    raise AssertionError(content)


def test_mlflow_takes_the_run(tmp_path, monkeypatch):
    """The library itself, on a database in a file: the run is finished, with settings and numbers."""
    library = pytest.importorskip("mlflow")
    address = f"sqlite:///{tmp_path / 'runs.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "susx")
    monkeypatch.chdir(tmp_path)
    mlflow(SUMMARY)
    client = library.MlflowClient(address)
    (run,) = client.search_runs([client.get_experiment_by_name("susx").experiment_id])
    assert (run.info.run_name, run.info.status) == ("fabrics-demo", "FINISHED")
    assert run.data.metrics == metrics_of(SUMMARY)
    assert run.data.params["dataset"] == "fabrics"
    assert run.data.params["report"] == "runs/x/report.html"


def test_a_build_calls_it_with_what_json_writes(tmp_path, monkeypatch):
    """After every build, unchanged ones too."""
    seen = []
    monkeypatch.setitem(sys.modules, "mine", types.SimpleNamespace(keep=seen.append))
    world = new_world(tmp_path)
    world.build()
    options = world.options
    command = ["build", "--dataset", options.dataset, "--per-class", "2", "--store", options.store]
    command += [part for setting in options.settings for part in ("--set", setting)]
    main([*command, "--callback", "mine:keep", "--json", str(tmp_path / "summary.json")])
    written = json.loads((tmp_path / "summary.json").read_text())
    assert [summary["run"] for summary in seen] == [written["run"]]
    assert metrics_of(seen[0]) == metrics_of(written)
    assert "zero_shot/top1" in {name.replace("/fixed", "") for name in metrics_of(seen[0])}
