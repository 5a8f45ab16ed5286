"""CoCoOp through the embedded CLIP's own text encoder: prompts of every image's own, what is learned, kept and refused."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from susx.classifier import load_classifier
from susx.cli import app
from susx.demo.textures import render
from susx.errors import ConfigError, InputError, MismatchError
from susx.features.encoder import Encoder
from susx.features.text_tower import TextTower
from susx.methods import CoCoOp, CoOp, ImageFeatures, Run, training
from susx.methods.cocoop import CoCoOpState, conditional_scores
from susx.methods.state import Fitted, load_fitted, save_fitted
from susx.testing.world import new_world
from tests.interruptions import interrupt_training
from tests.methods.test_coop import NAMES, evidence_of
from tests.methods.test_coop import encoder as encoder

QUICK = CoCoOp(epochs=2, batch=8, words=2)


def weights_of(state: CoCoOpState) -> Mapping[str, torch.Tensor]:
    return {name: getattr(state, name) for name in ("context", "down", "down_bias", "up", "up_bias")}


def test_it_is_the_published_net(encoder: Encoder) -> None:
    """Four words that begin as "a photo of a"; D -> D / 16 -> width with biases, a ReLU between; one prompt a class and image."""
    given = evidence_of(encoder)
    state, tower = CoCoOp(epochs=0).fit(given), TextTower(encoder)
    assert state.context.shape == (4, tower.width)
    torch.testing.assert_close(state.context, tower.word_vectors("a photo of a", 4), rtol=0, atol=0)
    assert (state.down.shape, state.up.shape) == ((8, 128), (tower.width, 8))
    assert dataclasses.astuple(CoCoOp()) == (10, 1, 2e-3, 4, "a photo of a", 16)
    rows = given.support_features[:3]
    down, up = torch.nn.Linear(128, 8), torch.nn.Linear(8, tower.width)
    for layer, weight, bias in ((down, state.down, state.down_bias), (up, state.up, state.up_bias)):
        layer.load_state_dict({"weight": weight, "bias": bias})
    expected = []
    for row in rows:
        context = state.context + up(torch.relu(down(row)))
        expected.append(given.logit_scale * row @ tower.encode(tower.tokens(NAMES, 4), context.detach()).T)
    found = CoCoOp().logits(state, ImageFeatures(rows))
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-4, atol=1e-3)


def test_a_net_of_zeros_is_coop(encoder: Encoder) -> None:
    """Without a shift every image has the same prompts, those of the context."""
    given, query = evidence_of(encoder), ImageFeatures(evidence_of(encoder).support_features)
    state = CoCoOp(epochs=0).fit(given)
    still = dataclasses.replace(state, up=0 * state.up, up_bias=0 * state.up_bias)
    plain = CoOp(epochs=0, words=4, begin="a photo of a")
    expected = plain.logits(plain.fit(given), query)
    torch.testing.assert_close(CoCoOp().logits(still, query), expected, rtol=1e-4, atol=1e-3)
    assert (CoCoOp().logits(state, query) - expected).abs().max() > 0.01


def test_gradients_are_those_of_finite_differences(encoder: Encoder) -> None:
    """Through text encoder and net, to the words and all four tensors of the net."""
    given, tower = evidence_of(encoder), TextTower(encoder)
    state = CoCoOp(epochs=0, words=2, begin="").fit(given)
    tokens, rows = tower.tokens(NAMES, 2), given.support_features[:3]
    generator = torch.Generator().manual_seed(0)
    towards = torch.randn(3, len(NAMES), generator=generator)
    here = {name: 5 * value for name, value in weights_of(state).items()}

    def value(at: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return (conditional_scores(at, tower, tokens, rows) * towards).sum()

    for name in here:
        free = here[name].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(value(here | {name: free}), free)
        step = 1e-2 * gradient / gradient.norm()
        slope = (value(here | {name: here[name] + step}) - value(here | {name: here[name] - step})) / 2e-2
        assert float(slope) == pytest.approx(float(gradient.norm()), rel=0.05), name


def test_it_learns_sixteen_images(encoder: Encoder) -> None:
    """The loss falls, the images are told apart, and the seed decides every bit."""
    given = evidence_of(encoder)
    method, quick = CoCoOp(epochs=30, batch=8, rate=0.02), CoCoOp(epochs=1, batch=8, words=2)
    state = method.fit(given)
    assert state.losses[-1] < 0.7 * state.losses[0]
    query = ImageFeatures(given.support_features)
    assert (method.logits(state, query).argmax(1) == given.support_labels).float().mean() >= 0.9
    ours, same, others = (weights_of(quick.fit(given, Run(seed=seed))) for seed in (0, 0, 1))
    assert all(torch.equal(ours[name], same[name]) for name in ours)
    assert any(not torch.equal(ours[name], others[name]) for name in ours)


def test_cosines_keep_their_precision_where_the_encoder_does_not(encoder: Encoder) -> None:
    """Under autocast to bfloat16 rows come of fewer bits, and their cosines of all: finer than bfloat16 has between 0.5 and 1."""
    given, method = evidence_of(encoder), CoCoOp(epochs=0)
    state = method.fit(given)
    tower, rows = given.text_tower, given.support_features
    full = conditional_scores(weights_of(state), tower, state.tokens, rows)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = conditional_scores(weights_of(state), tower, state.tokens, rows)
    assert mixed.dtype is torch.float32
    assert not torch.equal(mixed, mixed.bfloat16().float())
    torch.testing.assert_close(mixed, full, rtol=0, atol=0.02)


def test_mixed_precision_learns_the_same(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on CUDA, by bfloat16 on the CPU."""
    given = evidence_of(encoder)
    full = QUICK.fit(given)
    monkeypatch.setattr(training, "AMP_DEVICES", frozenset({"cpu"}))
    mixed = QUICK.fit(given)
    assert not torch.equal(mixed.context, full.context)
    assert mixed.losses[-1] == pytest.approx(full.losses[-1], rel=0.1)


def test_resumed_equals_uninterrupted(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted at the third step and taken up: the same bits."""
    given = evidence_of(encoder)
    whole = QUICK.fit(given)
    steps = interrupt_training(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        QUICK.fit(given, Run(folder=tmp_path))
    resumed = QUICK.fit(given, Run(folder=tmp_path))
    assert steps[2] == steps[3]
    first, second = weights_of(whole), weights_of(resumed)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert resumed.losses == whole.losses


def test_rows_and_classes_keep_to_themselves(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another batch, blocks of one image and another order of the classes change nothing."""
    given = evidence_of(encoder)
    query, order = ImageFeatures(given.support_features), [2, 0, 3, 1]
    state = QUICK.fit(given)
    together = QUICK.logits(state, query)
    torch.testing.assert_close(QUICK.logits(state, query.rows(3, 5)), together[3:5], rtol=1e-5, atol=1e-3)
    assert QUICK.logits(state, query.rows(0, 0)).shape == (0, 4)
    moved = dataclasses.replace(
        given, text_classifier=given.text_classifier[order], class_names=tuple(NAMES[at] for at in order),
        support_labels=torch.tensor(order).argsort()[given.support_labels],
    )  # fmt: skip
    torch.testing.assert_close(
        QUICK.logits(QUICK.fit(moved), query), together[:, order], rtol=1e-4, atol=1e-2
    )
    monkeypatch.setattr("susx.methods.blocks._BLOCK_NUMBERS", 1)
    torch.testing.assert_close(QUICK.logits(state, query), together, rtol=1e-5, atol=1e-3)


@pytest.mark.untyped
def test_a_fit_is_kept_without_its_encoder(encoder: Encoder, tmp_path: Path) -> None:
    """The file holds no text encoder; given one again it answers as before, and without it says what is missing."""
    given, file = evidence_of(encoder), tmp_path / "c.safetensors"
    fitted, query = Fitted.of(QUICK, given), ImageFeatures(given.support_features)
    save_fitted(file, fitted)
    kept = load_fitted(file)
    with pytest.raises(InputError, match="cocoop encodes the class prompts anew for every image"):
        kept.logits(query)
    assert file.stat().st_size < 100_000
    tower = TextTower(encoder)
    assert torch.equal(kept.bound(lambda: tower).logits(query), fitted.logits(query))
    other = TextTower(encoder)
    other.width = 64
    with pytest.raises(MismatchError, match="learned words of width 128"):
        kept.bound(lambda: other)
    with pytest.raises(MismatchError, match="layers of shapes"):
        dataclasses.replace(kept.state, up=kept.state.up[:, 1:])
    with pytest.raises(InputError, match="cocoop learns words through the text encoder"):
        QUICK.fit(dataclasses.replace(given, text_tower=None))


def test_it_has_a_row_is_packaged_and_not_exported(tmp_path: Path) -> None:
    """Name-only training in a build; predict loads the text encoder, export refuses by name."""
    world = new_world(tmp_path)
    world.change("tuning=[fixed]", "methods={cocoop: {epochs: 1}}", "headline=cocoop/fixed")
    world.build()
    rows = json.loads((world.store.folder(world.result.report) / "metrics.json").read_text())["methods"]
    assert [row["method"] for row in rows] == ["zero_shot", "cocoop"]
    assert not world.computed()
    classifier = load_classifier(world.artefact("package", "") / "classifier")
    pictures = [Image.fromarray(render("grid", "camera", "test", at)) for at in range(2)]
    found = classifier.predict(pictures, top_k=4)
    assert len(found[0].classes) == 4
    alone = classifier.predict(pictures[:1], top_k=4)[0]
    assert [one.class_name for one in found[0].classes] == [one.class_name for one in alone.classes]
    assert found[0].classes[0].probability == pytest.approx(alone.classes[0].probability, abs=1e-4)
    folder = str(world.artefact("package", "") / "classifier")
    for form, words in (
        ("onnx", "'cocoop' encodes the class prompts anew"),
        ("open_clip_head", "'cocoop' is not"),
    ):
        told = CliRunner().invoke(
            app, ["export", "--classifier", folder, "--format", form, "--out", str(tmp_path / "x")]
        )
        assert isinstance(told.exception, ConfigError)
        assert words in str(told.exception)


@pytest.mark.parametrize("method", [QUICK, CoOp(epochs=1, words=2)], ids=lambda method: method.name)
def test_no_target_label_enters_a_fit(encoder: Encoder, method: CoCoOp | CoOp) -> None:
    """Labelled images of the target are for tuning on val alone: with others, or none, a fit is the same bit for bit."""
    none = evidence_of(encoder)
    shown, query = none.support_features, ImageFeatures(none.support_features[:2])
    labels = torch.arange(len(shown)) % len(NAMES)
    some = dataclasses.replace(none, validation_features=shown, validation_labels=labels)
    other = dataclasses.replace(some, validation_labels=labels.flip(0))
    expected = method.logits(method.fit(none), query)
    assert torch.equal(method.logits(method.fit(some), query), expected)
    assert torch.equal(method.logits(method.fit(other), query), expected)
