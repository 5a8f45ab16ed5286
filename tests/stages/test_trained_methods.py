"""Methods that train, in a build: a row each, their loss drawn, and a killed training taken up."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from susx.errors import MismatchError
from susx.methods import Evidence
from susx.methods.meta_training import first_weights, meta_train
from susx.methods.state import load_fitted
from susx.testing.world import new_world
from tests.interruptions import interrupt_training

METHODS = "methods={tip_adapter_f: {epochs: 4}}"


def test_trained_methods_have_rows_and_a_figure(
    tmp_path: Path, monkeypatch, caplog: pytest.LogCaptureFixture
):
    """An interrupted build takes its training up; the report has rows and the loss over the epochs, the store no checkpoint."""
    world = new_world(tmp_path)
    world.change(METHODS, "tuning=[fixed, val]", "headline=tip_adapter_f/fixed")
    steps = interrupt_training(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        world.build()
    with caplog.at_level(logging.INFO, "susx.methods.training"):
        world.build()
    assert "resumed (step 2 of 4)" in caplog.text
    assert steps[:5] == [0, 1, 2, 2, 3]
    report = world.store.folder(world.result.report)
    rows = json.loads((report / "metrics.json").read_text())["methods"]
    assert [(r["method"], r["tuning"]) for r in rows][1:] == [
        ("tip_adapter_f", "fixed"),
        ("tip_adapter_f", "val"),
    ]
    page = (report / "report.html").read_text(encoding="utf-8")
    assert "Tip-Adapter-F" in page
    assert "Training loss" in page
    fit = world.artefact("fit", "tip_adapter_f/fixed")
    assert not (fit / "training").exists()
    assert len(load_fitted(fit / "classifier.safetensors").state.losses) == 4
    assert world.computed() == set()


def test_clip_adapter_and_meta_adapter_have_rows(tmp_path: Path) -> None:
    """Both in one build of the embedded world; other weights are another fit of Meta-Adapter, and of nothing else."""
    world, file = new_world(tmp_path), tmp_path / "w.safetensors"
    world.change("tuning=[fixed]", "methods={clip_adapter: {epochs: 4}}", "headline=clip_adapter/fixed")
    world.build()
    width = load_fitted(
        world.artefact("fit", "clip_adapter/fixed") / "classifier.safetensors"
    ).state.text.shape[1]
    save_file(first_weights(width), file)
    world.change(f"methods={{clip_adapter: {{epochs: 4}}, meta_adapter: {{weights: {file}}}}}")
    world.build()
    report = world.store.folder(world.result.report)
    rows = json.loads((report / "metrics.json").read_text())["methods"]
    assert [row["method"] for row in rows] == ["zero_shot", "clip_adapter", "meta_adapter"]
    assert "Meta-Adapter" in (report / "report.html").read_text(encoding="utf-8")
    save_file(first_weights(width, seed=1), file)
    fits = {subject for stage, subject in world.computed() if stage == "fit"}
    assert fits == {"meta_adapter/fixed"}


def test_weights_of_another_encoder_are_refused_in_a_build(tmp_path: Path) -> None:
    """A build knows its encoder: weights of equal width and another digest are named with both."""
    world, rows = new_world(tmp_path), torch.nn.functional.normalize(torch.eye(2, 128) + 0.1)
    method = meta_train(
        Evidence(rows, support_features=rows, support_labels=torch.arange(2), encoder="other", encoder_digest="a" * 64),
        tmp_path / "w.safetensors",
    )  # fmt: skip
    world.change("tuning=[fixed]", f"methods={{meta_adapter: {{weights: {method.weights}}}}}", "headline=")
    with pytest.raises(
        MismatchError, match=r"trained with the encoder other a{12}, .* come from susx-tiny-clip \w{12}"
    ):
        world.build()
