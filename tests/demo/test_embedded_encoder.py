"""The tiny CLIP: loads as any open_clip model does, is the trained file, and is neither blind nor perfect."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import open_clip
import pytest
import torch
from train_clip import val_accuracy

from susx.demo.embedded_encoder import FOLDER, NAME, WEIGHTS, register
from susx.demo.textures import CATEGORIES, pictures
from susx.errors import ModelError


@pytest.fixture
def model() -> torch.nn.Module:
    """The trained model, through open_clip's public door."""
    name, checkpoint = register()
    return open_clip.create_model(name, pretrained=checkpoint).eval()


def test_the_weights_are_the_recorded_ones_and_small() -> None:
    """The checkpoint has the digest its training recorded, and at most 8 MB."""
    record = json.loads((FOLDER / "training.json").read_text())
    assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() == record["weights_sha256"]
    assert WEIGHTS.stat().st_size <= 8_000_000


def test_registering_twice_changes_nothing() -> None:
    """register is idempotent and gives a name and a path that open_clip knows."""
    assert register() == register()
    assert register()[0] in open_clip.list_models()


def test_the_vocabulary_matches_the_configuration() -> None:
    """The tokenizer has as many tokens as the text tower has embeddings, and splits any text."""
    name, _ = register()
    tokenizer = open_clip.get_tokenizer(name)
    config = open_clip.get_model_config(name)["text_cfg"]
    assert tokenizer.vocab_size == config["vocab_size"]
    assert tokenizer(["zigzagged texture.", "Ωmega, 北京 & a very long list " * 20]).shape == (
        2,
        config["context_length"],
    )
    words = {category: tokenizer.encode(category) for category in CATEGORIES}
    assert len({tuple(tokens) for tokens in words.values()}) == len(CATEGORIES)


def test_the_public_transform_gives_the_size_of_the_model() -> None:
    """create_model_and_transforms makes 64-pixel inputs, and both towers give vectors of one width."""
    name, checkpoint = register()
    model, _, transform = open_clip.create_model_and_transforms(name, pretrained=checkpoint)
    from PIL import Image

    batch = transform(Image.new("RGB", (100, 80), "red"))[None]
    with torch.no_grad():
        image, text = model.encode_image(batch), model.encode_text(open_clip.get_tokenizer(name)(["red"]))
    assert batch.shape == (1, 3, 64, 64)
    assert image.shape == text.shape == (1, 128)
    assert torch.isfinite(image).all()


def test_zero_shot_on_val_is_useful_and_not_perfect(model: torch.nn.Module) -> None:
    """On a small val subset the accuracy is well above chance (2 %) and leaves room for support images."""
    assert 30 < val_accuracy(model, workers=1, per_class=6) < 85


def test_features_depend_on_the_picture_not_on_the_batch(model: torch.nn.Module) -> None:
    """One picture alone has the features it has among others."""
    batch = torch.from_numpy(pictures("val", 8, workers=1)).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        together, alone = model.encode_image(batch), model.encode_image(batch[3:4])
    torch.testing.assert_close(together[3:4], alone, atol=1e-5, rtol=1e-4)


def test_a_missing_model_says_how_to_get_it(tmp_path: Path) -> None:
    """Without its files the error names them and the command that makes them."""
    with pytest.raises(ModelError, match=r"train_clip") as caught:
        register(tmp_path)
    assert NAME in str(caught.value)
