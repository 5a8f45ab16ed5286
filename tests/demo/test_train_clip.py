"""Training the tiny CLIP: a short run writes a loadable model, and an interrupted run ends in the same weights."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import open_clip
import pytest
import torch
import train_clip
from train_clip import Recipe, train
from training_set import augment

from susx.demo.embedded_encoder import register

SHORT = Recipe(images=32, epochs=2, batch=16)


@pytest.fixture(autouse=True)
def _the_trained_model_is_registered_again() -> Iterator[None]:
    """Training registers its own vocabulary under the same name: put the package's back."""
    yield
    register()


def test_an_interrupted_run_ends_in_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped after its first epoch and started again, training gives the bytes of a run that was not stopped."""
    # The same pictures and vocabulary each time: drawn and written once.
    monkeypatch.setattr(train_clip, "pictures", functools.cache(train_clip.pictures))
    write, first = train_clip.write_merges, tmp_path / "merges.txt.gz"

    def write_once(captions: Iterable[str], path: Path) -> None:
        if not first.exists():
            write(captions, first)
        shutil.copy(first, path)

    monkeypatch.setattr(train_clip, "write_merges", write_once)
    whole = train(SHORT, tmp_path / "whole", workers=1)
    real = train_clip._epoch

    def stopped(*arguments: object) -> None:
        if arguments[5] == 1:
            raise KeyboardInterrupt
        real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(train_clip, "_epoch", stopped)
    with pytest.raises(KeyboardInterrupt):
        train(SHORT, tmp_path / "parts", workers=1)
    monkeypatch.setattr(train_clip, "_epoch", real)
    parts = train(SHORT, tmp_path / "parts", workers=1)
    assert parts["weights_sha256"] == whole["weights_sha256"]
    assert len((tmp_path / "parts" / "log.jsonl").read_text().splitlines()) == 2

    name, checkpoint = register(tmp_path / "parts")
    model = open_clip.create_model(name, pretrained=checkpoint)
    assert sum(p.numel() for p in model.parameters()) == parts["parameters"]
    assert json.loads((tmp_path / "parts" / "training.json").read_text())["recipe"]["images"] == 32


def test_augmentation_keeps_shape_and_follows_its_generator() -> None:
    """The same generator state makes the same views; another makes others."""
    batch = torch.randint(
        0, 256, (4, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    views = [augment(batch, torch.Generator().manual_seed(s), (0.5,) * 3, (0.25,) * 3) for s in (1, 1, 2)]
    assert views[0].shape == (4, 3, 64, 64)
    torch.testing.assert_close(views[0], views[1], rtol=0, atol=0)
    assert (views[0] - views[2]).abs().mean() > 0.01
