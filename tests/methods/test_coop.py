"""CoOp through the embedded CLIP's own text encoder: what is put in, what is learned, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from susx.config import EncoderConfig
from susx.demo.textures import render
from susx.errors import InputError
from susx.features.encoder import Encoder, load_encoder
from susx.features.text_tower import TextTower
from susx.methods import CoOp, Evidence, ImageFeatures, Run, training
from susx.methods.state import Fitted, load_fitted, save_fitted
from susx.testing.world import new_world
from tests.interruptions import interrupt_training

NAMES = ("banded", "dotted", "knitted", "polka-dotted")
PLAIN = ["x x x x banded."]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder(EncoderConfig(model="susx-tiny"))


def evidence_of(encoder: Encoder, names: tuple[str, ...] = NAMES) -> Evidence:
    """Four images a class of the "camera" domain, which the prompts know less well."""
    labels = torch.arange(len(names)).repeat_interleave(4)
    pictures = [
        Image.fromarray(render(names[c], "camera", "val", i % 4)) for i, c in enumerate(labels.tolist())
    ]
    return Evidence(
        encoder.encode_texts([f"{name} texture." for name in names]), encoder.logit_scale,
        support_features=encoder.encode_images(pictures), support_labels=labels, class_names=names,
        text_tower=TextTower(encoder),
    )  # fmt: skip


def test_a_sentence_in_the_gap_is_that_sentence(encoder: Encoder) -> None:
    """The vectors of "a photo of a" in place of four placeholders give what the encoder gives for the words."""
    tower, before = TextTower(encoder), encoder.encode_texts(PLAIN)
    context = tower.word_vectors("a photo of a", 4)
    found = tower.encode(tower.tokens(NAMES, 4), context)
    expected = encoder.encode_texts([f"a photo of a {name}." for name in NAMES])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert not torch.allclose(tower.encode(tower.tokens(NAMES, 4), 0 * context), expected, atol=1e-2)
    # The hook is gone: the encoder's own sentences are what they were.
    assert torch.equal(encoder.encode_texts(PLAIN), before)


def test_gradients_are_those_of_finite_differences(encoder: Encoder) -> None:
    """Through all layers of the text encoder, to the context and to nothing else."""
    tower = TextTower(encoder)
    tokens, context = tower.tokens(NAMES, 2), 0.3 * torch.randn(2, tower.width)
    towards = torch.randn(len(NAMES), encoder.dim)

    def value(at: torch.Tensor) -> torch.Tensor:
        return (tower.encode(tokens, at) * towards).sum()

    free = context.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value(free), free)
    direction = gradient / gradient.norm()
    step = 1e-2
    slope = (value(context + step * direction) - value(context - step * direction)) / (2 * step)
    assert float(slope) == pytest.approx(float(gradient.norm()), rel=0.02)
    assert not any(p.requires_grad for p in tower.model.parameters())


def test_no_epoch_is_the_sentence_it_begins_from(encoder: Encoder) -> None:
    """With 0 epochs the classifier is the prompt's own."""
    state = CoOp(epochs=0, words=4, begin="a photo of a").fit(evidence_of(encoder))
    expected = encoder.encode_texts([f"a photo of a {name}." for name in NAMES])
    torch.testing.assert_close(state.text, expected, rtol=0, atol=1e-6)


def test_it_learns_sixteen_images(encoder: Encoder) -> None:
    """The loss falls, the images are told apart, and the seed decides every bit."""
    given = evidence_of(encoder)
    method = CoOp(epochs=40, batch=16, words=4, rate=0.02)
    state, again, other = (method.fit(given, Run(seed=seed)) for seed in (0, 0, 1))
    assert state.losses[-1] < 0.7 * state.losses[0]
    query = ImageFeatures(given.support_features)
    before = method.logits(CoOp(epochs=0, words=4).fit(given), query)
    right = method.logits(state, query).argmax(1) == given.support_labels
    assert right.float().mean() >= 0.9
    assert right.sum() > (before.argmax(1) == given.support_labels).sum()
    assert torch.equal(state.context, again.context)
    assert not torch.equal(state.context, other.context)


def test_mixed_precision_learns_the_same(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on CUDA, by bfloat16 on the CPU: another last digit, hardly another classifier; what is kept is of full precision."""
    given, method = evidence_of(encoder), CoOp(epochs=10, batch=16, words=4, rate=0.02)
    full = method.fit(given)
    monkeypatch.setattr(training, "AMP_DEVICES", frozenset({"cpu"}))
    mixed = method.fit(given)
    assert not torch.equal(mixed.context, full.context)
    assert (mixed.text * full.text).sum(1).min() > 0.99
    assert mixed.losses[-1] == pytest.approx(full.losses[-1], rel=0.1)
    assert mixed.text.dtype is mixed.context.dtype is torch.float32


def test_resumed_equals_uninterrupted(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted at the fourth step and taken up: the same bits."""
    given, method = evidence_of(encoder), CoOp(epochs=4, batch=8, words=2)
    whole = method.fit(given)
    steps = interrupt_training(monkeypatch, 4)
    with pytest.raises(KeyboardInterrupt):
        method.fit(given, Run(folder=tmp_path))
    resumed = method.fit(given, Run(folder=tmp_path))
    assert steps[3] == steps[4]
    assert torch.equal(resumed.context, whole.context)
    assert resumed.losses == whole.losses


def test_order_of_classes_permutes_rows(encoder: Encoder) -> None:
    """Another order of the list learns the same words."""
    given = evidence_of(encoder)
    order = [2, 0, 3, 1]
    labels = torch.tensor(order).argsort()[given.support_labels]
    moved = dataclasses.replace(
        given, text_classifier=given.text_classifier[order], support_labels=labels,
        class_names=tuple(NAMES[at] for at in order),
    )  # fmt: skip
    method = CoOp(epochs=3, batch=8, words=2)
    torch.testing.assert_close(method.fit(moved).text, method.fit(given).text[order], rtol=0, atol=1e-5)


def test_a_fit_is_kept_and_is_linear(encoder: Encoder, tmp_path: Path) -> None:
    """A file brings it back without the encoder; its head is a layer."""
    given = evidence_of(encoder)
    fitted = Fitted.of(CoOp(epochs=1, words=2), given)
    save_fitted(tmp_path / "c.safetensors", fitted)
    query = ImageFeatures(given.support_features)
    kept = load_fitted(tmp_path / "c.safetensors")
    assert torch.equal(kept.logits(query), fitted.logits(query))
    head = fitted.method.linear_head(fitted.state)
    torch.testing.assert_close(head(query.pooled), fitted.logits(query), rtol=1e-5, atol=1e-4)


@pytest.mark.untyped
def test_what_it_cannot_do_is_named(encoder: Encoder) -> None:
    """Features without an encoder, a name that does not fit behind the words, a model without a table of word vectors."""
    given = evidence_of(encoder)
    with pytest.raises(InputError, match="there are only features here"):
        CoOp().fit(dataclasses.replace(given, text_tower=None))
    tower = TextTower(encoder)
    with pytest.raises(InputError, match=r"longer than the .* tokens"):
        tower.tokens(["very " * 100 + "long"], 16)
    with pytest.raises(InputError, match="fewer than 9"):
        tower.word_vectors("a photo", 9)

    class Bare:
        id, digest, device, tokenizer, model = "bare", "", torch.device("cpu"), None, torch.nn.Linear(1, 1)

    with pytest.raises(InputError, match="no table of word vectors"):
        TextTower(Bare())  # type: ignore[arg-type]


def test_it_has_a_row_in_a_build(tmp_path: Path) -> None:
    """Name-only training: it learns from retrieved images, is measured, and an unchanged build learns nothing."""
    world = new_world(tmp_path)
    world.change("tuning=[fixed]", "methods={coop: {epochs: 2, words: 4}}", "headline=coop/fixed")
    world.build()
    report = world.store.folder(world.result.report)
    rows = json.loads((report / "metrics.json").read_text())["methods"]
    assert [row["method"] for row in rows] == ["zero_shot", "coop"]
    assert not world.computed()
