"""Methods that train, in a build: a row each, their loss drawn, and a killed training taken up."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from susx.classifier import load_classifier
from susx.config import EncoderConfig
from susx.demo.textures import render
from susx.encoder_id import EncoderId
from susx.errors import ConfigError, InputError, MismatchError
from susx.experiment.adapt import adapt_folder
from susx.features.encoder import load_encoder
from susx.methods import Evidence
from susx.methods.adapters import first_adapters
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
        Evidence(rows, support_features=rows, support_labels=torch.arange(2), encoder=EncoderId("other", "a" * 64)),
        tmp_path / "w.safetensors",
    )  # fmt: skip
    world.change("tuning=[fixed]", f"methods={{meta_adapter: {{weights: {method.weights}}}}}", "headline=")
    with pytest.raises(
        MismatchError, match=r"trained with the encoder other a{12}, .* come from susx-tiny-clip \w{12}"
    ):
        world.build()


ADAPTED = (
    "methods={tip_adapter: {}, tip_adapter_pp: {weights: WEIGHTS}, tip_x: {}, tip_x_pp: {weights: WEIGHTS}}"
)


def test_adapted_methods_have_rows_and_are_packaged(tmp_path: Path) -> None:
    """Both in a build with the embedded adapters; predict encodes with those in the classifier, export refuses by name. Adapters
    that change nothing give the rows of the methods without; images are encoded anew for others alone."""
    world = new_world(tmp_path)
    world.change(ADAPTED.replace("WEIGHTS", "demo"), "tuning=[fixed, val]", "headline=tip_x_pp/fixed")
    world.build()

    def rows() -> dict[tuple[str, str], float]:
        text = (world.store.folder(world.result.report) / "metrics.json").read_text()
        return {(row["method"], row["tuning"]): row["top1"] for row in json.loads(text)["methods"]}

    assert {name for name, _ in rows()} == {"zero_shot", "tip_adapter", "tip_adapter_pp", "tip_x", "tip_x_pp"}
    classifier = load_classifier(world.artefact("package", "") / "classifier")
    (found,) = classifier.predict([Image.fromarray(render("grid", "camera", "test", 0))], top_k=4)
    assert len(found.classes) == 4
    with pytest.raises(ConfigError, match="'tip_x_pp' compares features of an adapted encoder"):
        classifier.stored.method.module(classifier.stored.state)
    still = tmp_path / "still.safetensors"
    still.write_bytes(first_adapters(4, 128).to_bytes())
    world.change(ADAPTED.replace("WEIGHTS", str(still)))
    assert {stage for stage, _ in world.computed()} >= {"encode-images", "target", "fit", "classify"}
    same = rows()
    for plus, plain in (("tip_adapter_pp", "tip_adapter"), ("tip_x_pp", "tip_x")):
        for tuning in ("fixed", "val"):
            assert same[plus, tuning] == same[plain, tuning]
    assert world.computed() == set()


def test_methods_of_one_build_share_their_adapters(tmp_path: Path) -> None:
    """Two files for two methods, adapters of another encoder and none at all are refused before or as images are encoded."""
    world, other = new_world(tmp_path), tmp_path / "other.safetensors"
    other.write_bytes(first_adapters(4, 128, encoder=EncoderId("other", "a" * 64)).to_bytes())
    world.change("tuning=[fixed]", "headline=", "methods={tip_adapter_pp: {}}")
    with pytest.raises(ConfigError, match="tip_adapter_pp needs adapters of the encoder's visual blocks"):
        world.build()
    world.change(f"methods={{tip_adapter_pp: {{weights: demo}}, tip_x_pp: {{weights: {other}}}}}")
    with pytest.raises(ConfigError, match="methods of one build name different adapters"):
        world.build()
    world.change(f"methods={{tip_adapter_pp: {{weights: {other}}}}}")
    with pytest.raises(MismatchError, match=r"trained with the encoder other a{12}"):
        world.build()
    world.change("methods={tip_adapter_pp: {weights: /no/such}}")
    with pytest.raises(ConfigError, match="must name a file that susx adapt wrote; /no/such cannot be read"):
        world.build()


def test_adapters_are_trained_by_a_command(tmp_path: Path) -> None:
    """A folder of images becomes adapters that a build takes; what cannot be read is left out by name."""
    for name in ("lined", "scaly"):
        (tmp_path / "train" / name).mkdir(parents=True)
        for at in range(3):
            Image.fromarray(render(name, "web", "train", at)).save(tmp_path / "train" / name / f"{at}.png")
        (tmp_path / "val" / name).mkdir(parents=True)
    (tmp_path / "train" / "lined" / "torn.png").write_bytes(b"none")
    out, config = tmp_path / "a.safetensors", EncoderConfig(model="susx-tiny")
    adapters, unreadable = adapt_folder(tmp_path, config, out)
    assert [*unreadable] == ["lined/torn.png"]
    assert (adapters.blocks, adapters.width, adapters.encoder.digest) == (4, 128, load_encoder(config).digest)
    assert json.loads(out.with_suffix(".json").read_text())["images"] == 6
    (tmp_path / "train").rename(tmp_path / "test")
    with pytest.raises(InputError, match=r"holds the splits .* and no train"):
        adapt_folder(tmp_path, config, out)
