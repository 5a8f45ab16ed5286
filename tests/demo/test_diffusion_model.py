"""The embedded diffusion model: complete, small, and its pictures are recognised."""

from __future__ import annotations

import json

import numpy as np
import pytest
from measure_diffusion import generated, nearest_class_mean, real, sheet

from susx.demo.diffusion_model import FOLDER, tiny_diffusion
from susx.demo.diffusion_text import build_tokenizer
from susx.demo.textures import CATEGORIES
from susx.errors import ModelError
from susx.images.generate import DrawSettings, load_pipeline


def test_the_folder_is_a_complete_pipeline_of_at_most_16_megabytes():
    """Every part is in the index, and no safety checker is."""
    index = json.loads((tiny_diffusion() / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionPipeline"
    assert {name for name, part in index.items() if isinstance(part, list) and part[0]} == {
        "scheduler", "text_encoder", "tokenizer", "unet", "vae",
    }  # fmt: skip
    assert sum(path.stat().st_size for path in FOLDER.rglob("*.safetensors")) <= 16_000_000


def test_the_tokenizer_is_the_one_the_code_builds(tmp_path):
    """The stored vocabulary and that of the training script are the same."""
    words = build_tokenizer(tmp_path / "words")
    stored = load_pipeline(tiny_diffusion(), device="cpu").pipe.tokenizer
    assert stored.get_vocab() == words.get_vocab()
    assert stored.model_max_length == words.model_max_length


def test_pictures_are_recognised():
    """At least half of one picture a category lie nearest to their own category's mean (chance: 2 %)."""
    drawn = generated(FOLDER, 1, DrawSettings(steps=10, guidance=4.0), batch_size=16)
    shares = nearest_class_mean(real(20), drawn)
    assert np.mean(list(shares.values())) >= 0.5
    assert sheet(drawn, per_category=1).size[0] > 0
    assert list(shares) == list(CATEGORIES)


def test_a_missing_model_says_how_to_make_it(tmp_path):
    """The script is named."""
    with pytest.raises(ModelError, match=r"train_diffusion"):
        tiny_diffusion(tmp_path)
