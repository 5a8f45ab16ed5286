"""Meta-Adapter against the published formula, zero-shot, finite differences, and its own files."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from susx.encoder_id import EncoderId
from susx.errors import ConfigError, InputError, MismatchError
from susx.methods import Evidence, MetaAdapter, Run, ZeroShot
from susx.methods.meta_adapter import refine
from susx.methods.meta_training import RECIPE, first_weights, meta_train, train_weights
from susx.methods.state import Fitted, load_fitted, save_fitted
from susx.methods.training import Recipe
from tests.methods.test_properties import evidence, images, unit

QUICK = Recipe(epochs=3, batch=4, rate=1e-2, eps=1e-4)


def saved(folder: Path, width: int = 16) -> MetaAdapter:
    save_file(first_weights(width), folder / "w.safetensors")
    return MetaAdapter(str(folder / "w.safetensors"))


def test_parameters_are_the_published_number() -> None:
    """2,098,177 at width 1024; the gate's bias begins at 1."""
    weights = first_weights(1024)
    assert sum(value.numel() for value in weights.values()) == 2_098_177
    assert weights["bias"].tolist() == [1.0]
    for name, bound in (
        ("query", (6 / 2048) ** 0.5),
        ("key", (6 / 2048) ** 0.5),
        ("gate", (6 / 1025) ** 0.5),
    ):
        assert 0.95 * bound < weights[name].abs().max() <= bound
    assert (RECIPE.epochs, RECIPE.batch, RECIPE.rate, RECIPE.eps) == (5, 64, 1e-4, 1e-4)


def test_it_is_the_published_attention() -> None:
    """Query the prompt; keys and values the prompt and its shots, class by class; torch's layers and softmax."""
    text, labels = unit(5, 16, seed=1), torch.tensor([0, 1, 1, 3, 4, 0, 0])
    shots, weights = unit(7, 16, seed=2), first_weights(16)
    found = refine(weights, text, shots, labels)
    for c in range(5):
        values = torch.cat([text[c : c + 1], shots[labels == c]])
        query, keys = weights["query"] @ text[c], values @ weights["key"].T
        attention = (keys @ query / 4.0).softmax(0) @ values
        gate = torch.sigmoid(weights["gate"] @ text[c] + weights["bias"])
        expected = torch.nn.functional.normalize(text[c] + gate * attention, dim=0)
        torch.testing.assert_close(found[c], expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found[2], text[2])


def test_gate_0_is_zero_shot(tmp_path: Path) -> None:
    """A closed gate, by its bias or by the strength, leaves the prompts."""
    closed = first_weights(16) | {"gate": torch.zeros(1, 16), "bias": torch.tensor([-1e4])}
    save_file(closed, tmp_path / "w.safetensors")
    method, plain = MetaAdapter(str(tmp_path / "w.safetensors")), ZeroShot()
    expected = plain.logits(plain.fit(evidence()), images())
    torch.testing.assert_close(method.logits(method.fit(evidence()), images()), expected, rtol=0, atol=1e-4)
    off = MetaAdapter(str(tmp_path / "w.safetensors"), strength=0.0)
    assert torch.equal(off.logits(off.fit(evidence()), images()), expected)


def test_gradients_agree_with_finite_differences() -> None:
    """The derivative to all four tensors is that of central differences, classes without shots included."""
    text, shots = unit(3, 6, seed=1).double(), unit(4, 6, seed=2).double()
    labels, names = torch.tensor([0, 0, 2, 2]), ("query", "key", "gate", "bias")
    first = {name: value.double().requires_grad_() for name, value in first_weights(6).items()}

    def loss(*values: torch.Tensor) -> torch.Tensor:
        refined = refine(dict(zip(names, values, strict=True)), text, shots, labels)
        return torch.nn.functional.cross_entropy(10 * shots @ refined.T, labels)

    assert torch.autograd.gradcheck(loss, [first[name] for name in names], eps=1e-6, atol=1e-7)


def test_an_image_is_no_evidence_of_itself() -> None:
    """With one batch of everything no shots are left as evidence: prompts stay and attention learns nothing."""
    recipe = Recipe(1, 13, 1e-2, weight_decay=0.0)
    start, after = first_weights(16), train_weights(evidence(), recipe).parameters
    assert torch.equal(after["query"], start["query"])
    moved = train_weights(evidence(), dataclasses.replace(recipe, batch=4)).parameters
    assert not torch.equal(moved["query"], start["query"])


def world(seed: int, classes: int) -> tuple[Evidence, torch.Tensor, torch.Tensor]:
    """Prompts far from where the images of their class lie, eight shots a class, and images to classify."""
    generator = torch.Generator().manual_seed(seed)

    def draw(rows: int) -> torch.Tensor:
        return torch.randn(rows, 32, generator=generator)

    centres, labels = draw(classes), torch.arange(classes).repeat_interleave(8)
    rows = [torch.nn.functional.normalize(centres[labels] + 0.9 * draw(len(labels))) for _ in range(2)]
    text = torch.nn.functional.normalize(centres + 1.8 * draw(classes))
    return Evidence(text, 20.0, rows[0], labels), rows[1], labels


def test_it_is_trained_on_base_classes_and_used_on_new_ones(tmp_path: Path) -> None:
    """Trained weights are better than untrained ones and than zero-shot on classes that the training never saw."""
    base, new, query, labels = world(0, 30)[0], *world(1, 20)
    recipe = Recipe(15, 32, 5e-3, eps=1e-4)
    losses = train_weights(base, recipe).losses
    assert losses[-1] < losses[0]
    method = meta_train(base, tmp_path / "w.safetensors", recipe=recipe)
    before = (tmp_path / "w.safetensors").read_bytes()

    def hits(text: torch.Tensor) -> float:
        return float(((query @ text.T).argmax(1) == labels).float().mean())

    shots = new.support("test")
    untrained = refine(first_weights(32), new.text_classifier, *shots)
    assert hits(method.fit(new).text) > max(hits(untrained), hits(new.text_classifier)) + 0.005
    assert (tmp_path / "w.safetensors").read_bytes() == before


def test_the_record_says_what_was_trained(tmp_path: Path) -> None:
    """Beside the weights: recipe, seed, images, losses, digest, source."""
    method = meta_train(evidence(), tmp_path / "w.safetensors", recipe=QUICK, run=Run(seed=4), source="here")
    record = json.loads((tmp_path / "w.json").read_text())
    assert record["weights"] == method.digest
    assert (record["width"], record["parameters"]) == (16, 2 * 16 * 16 + 17)
    assert (record["source"], record["images"], record["classes"], record["seed"]) == ("here", 13, 5, 4)
    assert record["recipe"]["rate"] == 1e-2
    assert len(record["losses"]) == 3
    assert set(load_file(tmp_path / "w.safetensors")) == {"query", "key", "gate", "bias"}


def test_other_weights_are_another_method(tmp_path: Path) -> None:
    """The digest is a hyper-parameter, and so part of keys; a file that changed since is refused."""
    method = saved(tmp_path)
    assert method.digest
    save_file(first_weights(16, seed=1), tmp_path / "w.safetensors")
    other = MetaAdapter(method.weights)
    assert other != method
    with pytest.raises(InputError, match="not the one that was named"):
        method.fit(evidence())
    assert torch.isfinite(other.fit(evidence()).text).all()


def test_weights_of_another_width_are_refused(tmp_path: Path) -> None:
    """The file and both widths are named."""
    with pytest.raises(
        MismatchError, match=r"w\.safetensors: trained for features of width 8, and these have 16"
    ):
        saved(tmp_path, 8).fit(evidence())


def test_no_weights_and_wrong_files_are_refused(tmp_path: Path) -> None:
    """None named, none there, not safetensors, other tensors."""
    with pytest.raises(ConfigError, match="needs weights"):
        MetaAdapter().fit(evidence())
    with pytest.raises(ConfigError, match="cannot be read"):
        MetaAdapter(str(tmp_path / "missing.safetensors"))
    junk = tmp_path / "junk.safetensors"
    junk.write_bytes(b"no weights")
    with pytest.raises(InputError, match="cannot be read as weights"):
        MetaAdapter(str(junk)).fit(evidence())
    save_file({"query": torch.zeros(16, 16)}, junk)
    with pytest.raises(InputError, match="expected query, key, gate and bias"):
        MetaAdapter(str(junk)).fit(evidence())


def test_a_fitted_one_does_not_need_the_weights(tmp_path: Path) -> None:
    """A classifier folder goes to another machine without them."""
    fitted = Fitted.of(saved(tmp_path), evidence())
    save_fitted(tmp_path / "fitted.safetensors", fitted)
    (tmp_path / "w.safetensors").unlink()
    again = load_fitted(tmp_path / "fitted.safetensors")
    torch.testing.assert_close(again.logits(images()), fitted.logits(images()))


def of_encoder(name: str = "", digest: str = "") -> Evidence:
    return dataclasses.replace(evidence(), encoder=EncoderId(name, digest))


def test_weights_of_another_encoder_of_equal_width_are_refused(tmp_path: Path) -> None:
    """By digests where both are known; the file and both encoders are named, and the record says which it was."""
    method = meta_train(of_encoder("ViT-B-32", "a" * 64), tmp_path / "w.safetensors", recipe=QUICK)
    record = json.loads((tmp_path / "w.json").read_text())
    assert (record["encoder"], record["encoder_digest"]) == ("ViT-B-32", "a" * 64)
    (tmp_path / "w.json").unlink()
    with pytest.raises(
        MismatchError,
        match=r"w\.safetensors: trained with the encoder ViT-B-32 a{12}, .* from ViT-B-32 b{12}\.",
    ):
        method.fit(of_encoder("ViT-B-32", "b" * 64))
    for same in (of_encoder("renamed", "a" * 64), of_encoder("ViT-B/32"), of_encoder()):
        assert torch.isfinite(method.fit(same).text).all()


def test_without_digests_names_tell_encoders_apart(tmp_path: Path) -> None:
    """Spellings of one name are one encoder; an unknown encoder is taken on trust."""
    method = meta_train(of_encoder("ViT-B/32"), tmp_path / "w.safetensors", recipe=QUICK)
    with pytest.raises(MismatchError, match=r"encoder ViT-B/32, and these features come from ViT-B-16\."):
        method.fit(of_encoder("ViT-B-16"))
    for same in (of_encoder("vit_b_32"), of_encoder("", "a" * 64), of_encoder()):
        assert torch.isfinite(method.fit(same).text).all()


def test_a_record_that_is_none_is_refused(tmp_path: Path) -> None:
    """Metadata that is no record is said, and no traceback."""
    for junk in ("[]", "{"):
        save_file(first_weights(16), tmp_path / "w.safetensors", metadata={"susx": junk})
        with pytest.raises(InputError, match="the record in the file cannot be read"):
            MetaAdapter(str(tmp_path / "w.safetensors")).fit(evidence())
