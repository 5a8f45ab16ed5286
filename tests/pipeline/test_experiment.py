"""Experiments: cell by cell in the store, one result."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from susx.errors import ConfigError, InputError, MismatchError
from susx.features.feature_folder import read_features
from susx.methods import TipAdapter
from susx.pipeline.executors import InlineExecutor
from susx.pipeline.experiment_graph import failed, measure_experiment, plan_experiment
from susx.pipeline.experiment_result import finish_experiment
from susx.results import Result, read_result
from susx.store import ArtefactStore
from tests.commands.test_features_command import folder


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Two data sets, one of them as arrays, and a pool."""
    folder(tmp_path / "one")
    held = read_features(folder(tmp_path / "other"))
    assert held.test is not None
    assert held.support is not None
    np.savez(
        tmp_path / "two.npz", text=held.text.numpy(), test_features=held.test.features.numpy(), test_labels=held.test.labels.numpy(),
        train_features=held.support.features.numpy(), train_labels=held.support.labels.numpy(), class_names=np.array(list("vwxyz")),
    )  # fmt: skip
    (tmp_path / "pool").mkdir()
    np.save(tmp_path / "pool" / "features.npy", held.support.features.numpy())
    return tmp_path


BASE = {
    "datasets": {
        "one": {"features": "one", "pool": "pool"},
        "two": {"features": "two.npz", "outsiders": "one"},
    },
    "methods": ["tip_adapter"],
    "shots": [2],
    "draws": 2,
}


def run(world: Path, **changes: object) -> tuple[Result, int]:
    """Carry an experiment out and return its result and how many cells were computed."""
    (world / "e.yaml").write_text(yaml.safe_dump({**BASE, **changes}))
    store = ArtefactStore(world / "store")
    executor = InlineExecutor(store)
    planned = plan_experiment(world / "e.yaml", command="susx experiment e.yaml")
    measured = measure_experiment(planned, executor)
    result = finish_experiment(planned, measured, store, world / "result")
    return result, sum(outcome.status == "computed" for outcome in executor.outcomes)


def test_one_more_method_or_data_set_costs_only_itself(world: Path) -> None:
    """What the store knows is not measured again; the result holds all."""
    first, computed = run(world)
    # one: zero-shot, pool, two draws; two: zero-shot, two draws.
    assert computed == len(first.rows) == 4 + 3
    assert run(world)[1] == 0
    more, computed = run(world, methods=["tip_adapter", "gda"])
    assert computed == 5
    assert {row.method for row in more.rows} == {"zero_shot", "tip_adapter", "gda"}
    folder(world / "three")
    three = {"three": {"features": "three"}}
    _, computed = run(world, datasets={**BASE["datasets"], **three})
    assert computed == 3
    assert run(world, draws=3)[1] == 2


def test_a_folder_holds_all_that_a_table_is_made_of(world: Path) -> None:
    """Rows, what was said of every image, the YAML as resolved, digests, versions; it runs again from its own YAML."""
    result, _ = run(world)
    read = read_result(world / "result")
    assert [row.top1 for row in read.rows] == [row.top1 for row in result.rows]
    assert read.facts["command"] == "susx experiment e.yaml"
    assert {entry["data_set"] for entry in read.facts["inputs"]} == {"one", "two"}
    assert len(read.facts["inputs"][0]["files"]["pool"]["features.npy"]) == 64
    for row in read.rows:
        frame = pd.read_parquet(str(read.images_of(row)))
        assert (frame["label"] == frame["predicted"]).mean() == pytest.approx(row.top1)
    resolved = yaml.safe_load((world / "result" / "experiment.yaml").read_text())
    assert resolved["datasets"]["one"]["features"] == str(world / "one")
    assert resolved["seeds"] == [0]
    again = plan_experiment(world / "result" / "experiment.yaml")
    executor = InlineExecutor(ArtefactStore(world / "store"))
    measure_experiment(again, executor)
    assert all(outcome.status == "cached" for outcome in executor.outcomes)


def test_logits_can_be_left_out(world: Path) -> None:
    """Predictions and confidence stay."""
    result, _ = run(world, logits=False)
    assert "logits" not in pd.read_parquet(str(result.images_of(result.rows[0])))


def test_a_failed_cell_is_a_row_with_its_reason(world: Path) -> None:
    """A shot count that a class lacks, a regime that the data cannot give: the others are finished and kept."""
    result, _ = run(world, shots=[2, 100], regimes=["all", "outsiders"], access=["shots"])
    reasons = {(row.dataset, row.shots, row.regime): row.reason for row in result.rows if row.reason}
    assert "100 shots asked for, and no class has more than 8" in reasons["one", 100, "all"]
    assert "name it with the data set's key 'outsiders'" in reasons["one", 2, "outsiders"]
    assert not [key for key in reasons if key[0] == "two" and key[1] != 100]
    measured = [row for row in result.rows if not row.reason]
    assert all(row.images and row.top1 is not None for row in measured)
    assert all(row.top1 is None and not row.images for row in result.rows if row.reason)
    outsiders = next(row for row in measured if row.regime == "outsiders")
    assert (outsiders.n, outsiders.outsiders) == (150, 64)
    assert run(world, shots=[2, 100], regimes=["all", "outsiders"], access=["shots"])[1] == 0


def test_predictions_of_a_cell_that_failed_are_refused(world: Path) -> None:
    """With its reason; of others they are a table. A result that names a file elsewhere was altered."""
    result, _ = run(world, shots=[2, 100], access=["shots"])
    good = next(row for row in result.rows if not row.reason)
    bad = next(row for row in result.rows if row.reason)
    assert len(result.predictions(good)) == good.n
    with pytest.raises(
        InputError, match=r"no predictions of tip_adapter on one: the cell failed \(one: 100 shots"
    ):
        result.predictions(bad)
    with pytest.raises(InputError, match="outside itself"):
        result.predictions(dataclasses.replace(good, images="../../pool/features.npy"))
    with pytest.raises(InputError, match="Write a folder"):
        dataclasses.replace(result, folder=None).predictions(good)


def test_a_failed_cell_can_be_tried_again(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a method stumbles over is named; thrown away, the cell is measured anew."""
    with monkeypatch.context() as patched:
        patched.setattr(TipAdapter, "fit", lambda *_: 1 / 0)
        result, _ = run(world)
    assert {row.reason for row in result.rows if row.method == "tip_adapter"} == {
        "ZeroDivisionError: division by zero"
    }
    store = ArtefactStore(world / "store")
    refs = [
        ref
        for ref in measure_experiment(plan_experiment(world / "e.yaml"), InlineExecutor(store)).refs
        if ref
    ]
    again = failed(refs, store)
    assert len(again) == 5
    for ref in again:
        assert store.discard(ref, float("inf"))
    result, computed = run(world)
    assert computed == 5
    assert not any(row.reason for row in result.rows)


def test_an_interrupted_experiment_goes_on(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells that were finished before stay; no half a result is left."""
    fits = 0

    def fit(self, evidence, run):  # type: ignore[no-untyped-def]
        nonlocal fits
        fits += 1
        if fits == 3:
            raise KeyboardInterrupt
        return original(self, evidence, run)

    original = TipAdapter.fit
    with monkeypatch.context() as patched:
        patched.setattr(TipAdapter, "fit", fit)
        with pytest.raises(KeyboardInterrupt):
            run(world)
    assert not (world / "result").exists()
    result, computed = run(world)
    assert 0 < computed < len(result.rows)


def test_a_data_set_that_cannot_be_read(world: Path) -> None:
    """Its cells say why; those of the others are measured. Where none can be read it is refused."""
    np.savez(world / "two.npz", text=np.eye(3), test_features=np.eye(3), test_labels=np.array([0, 1, 7]))
    result, _ = run(world)
    assert {row.reason[:40] for row in result.rows if row.dataset == "two"} == {
        row.reason[:40] for row in result.rows if row.reason
    }
    assert "7" in next(row.reason for row in result.rows if row.dataset == "two")
    assert all(row.top1 for row in result.rows if row.dataset == "one")
    with pytest.raises(InputError, match=r"No data set of the experiment can be read.*no such folder"):
        run(world, datasets={"gone": {"features": "gone"}})
    # Without a reason of its own the data set of another encoder would be a row like the others.
    narrow = np.eye(3, 8, dtype=np.float32)
    np.savez(world / "narrow.npz", text=narrow, test_features=narrow, test_labels=np.arange(3))
    with pytest.raises(MismatchError, match="two encoders made them"):
        run(world, datasets={"one": {"features": "one"}, "narrow": {"features": "narrow.npz"}})


def test_changed_features_are_other_cells(world: Path) -> None:
    """The key holds the content of the files."""
    run(world)
    pool = np.load(world / "pool" / "features.npy")
    np.save(world / "pool" / "features.npy", pool[::-1] + 0.01)
    assert run(world)[1] == 1  # of the pool's alone
    folder(world / "one", test=False)
    result, computed = run(world)
    assert computed == 4
    assert {row.split for row in result.rows} == {"test", "half of validation (seed 0)"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("datasets: {a: {features: f}, a: {features: g}}\nmethods: [tip_x]", "the key 'a' is there twice"),
        ("datasets: {a: {features: f}}\nmethods: [tip_x, tip_x]", "'tip_x' is there twice"),
        ("datasets: {a: {features: f}}\nmethods: [tipx]", "Did you mean 'tip_x'"),
        ("datasets: {a: {features: f}}\nmethods: [{tip_x: {alhpa: 1}}]", "alhpa"),
        (
            "datasets: {a: {features: f}}\nmethods: [tip_x]\nshot: [1]",
            "unknown key 'shot'. Did you mean 'shots'",
        ),
        ("datasets: {a: {features: f}}\nmethods: [tip_x]\nshots: [0]", "shots"),
        ("datasets: {a: {features: f}}\nmethods: [tip_x]\nregimes: [half]", "no regime 'half'"),
        ("datasets: {a: {features: f}}\nmethods: [tip_x]\naccess: [everything]", "no access 'everything'"),
        ("datasets: {a: {features: f, outsiders: b}}\nmethods: [tip_x]", "no data set of this experiment"),
        ("datasets: {a: {features: f, images: g}}\nmethods: [tip_x]", "either 'features' or 'images'"),
        ("datasets: {../a: {features: f}}\nmethods: [tip_x]", "letter or digit"),
        ("datasets: {}\nmethods: [tip_x]", "datasets"),
        ("- 1", "must hold a mapping"),
    ],
)
def test_a_yaml_that_cannot_be_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """In one paragraph, before anything is done."""
    (tmp_path / "e.yaml").write_text(text)
    with pytest.raises(ConfigError, match=words):
        plan_experiment(tmp_path / "e.yaml")


def test_images_are_encoded_once(tmp_path: Path) -> None:
    """A folder of photographs is a data set; the encoder's identity is in the key."""
    from tests.experiment.test_encode import images

    for split, count, first in (("train", 3, 0), ("test", 4, 20)):
        images(tmp_path / "photos", split, count, first)
    world = {
        "datasets": {"textures": {"images": "photos", "profile": "demo"}},
        "methods": ["tip_adapter"],
        "shots": [1],
        "draws": 1,
    }
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(world))
    planned = plan_experiment(tmp_path / "e.yaml")
    first, again = (InlineExecutor(ArtefactStore(tmp_path / "store")) for _ in range(2))
    measured = measure_experiment(planned, first)
    measure_experiment(planned, again)
    assert [outcome.status for outcome in first.outcomes] == ["computed"] * 3
    assert [outcome.status for outcome in again.outcomes] == ["cached"] * 3
    result = finish_experiment(planned, measured, first.store, tmp_path / "result")
    assert [row.n for row in result.rows] == [12, 12]
    assert (
        json.loads((tmp_path / "result" / "result.json").read_text())["experiment"]["datasets"]["textures"][
            "profile"
        ]
        == "demo"
    )
