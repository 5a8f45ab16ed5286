"""This year's encoders behind the door: tiny random models of their real architectures, saved to disk and loaded by path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from timm.models import is_model, register_model

from susx.config import EncoderConfig, config_names, load_profile
from susx.features.encoder import load_encoder
from susx.features.open_clip_load import published_pixels
from susx.images.retrieve.clip_model import clip_retrieval_model

SMALL_VIT = {"embed_dim": 32, "depth": 1, "num_heads": 2}
SMALL_FASTVIT = {"layers": (1, 1, 1, 1), "embed_dims": (16, 16, 32, 32)}
#: Profile -> what makes its image tower small: arguments of timm's own constructor, or of open_clip's vision transformer.
SMALL = {
    "siglip2-b16": SMALL_VIT,
    "metaclip2-h14": {"layers": 1, "width": 32, "head_width": 16},
    "pe-core-b16": SMALL_VIT,
    "dfn-l14": {"layers": 1, "width": 32, "head_width": 16},
    "mobileclip2-s0": SMALL_FASTVIT,
}
TEXTS = ["a photo of striped cloth", "dotted", "woven " * 90]


def words(folder: Path) -> str:
    """A tokenizer as transformers saves it, for the architectures whose own lies on the Hub."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = ["<pad>", "<unk>", "<eos>", "a", "photo", "of", "striped", "dotted", "woven", "cloth"]
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(vocabulary)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 2)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", eos_token="<eos>"
    ).save_pretrained(folder)
    return str(folder)


def small_config(profile: str, folder: Path) -> dict[str, Any]:
    """The architecture's own configuration with few, narrow layers and a small vocabulary."""
    config = open_clip.get_model_config(load_profile(profile).encoder.model)
    assert config is not None
    config["embed_dim"] = 32
    config["text_cfg"] |= {"layers": 1, "width": 32, "heads": 2}
    if "hf_tokenizer_name" in config["text_cfg"]:
        config["text_cfg"] |= {"vocab_size": 10, "hf_tokenizer_name": words(folder / "words")}
    if (real := config["vision_cfg"].get("timm_model_name")) is None:
        config["vision_cfg"] |= SMALL[profile]
        return config
    name = f"susx_test_{real}"

    def entry(pretrained: bool = False, **kwargs: Any) -> Any:
        return timm.create_model(real, pretrained=pretrained, **SMALL[profile], **kwargs)

    entry.__name__, entry.__module__ = name, __name__
    if not is_model(name):  # another module of the same process may have taken these fixtures
        register_model(entry)
    config["vision_cfg"]["timm_model_name"] = name
    return config


@pytest.fixture(scope="module", params=sorted(SMALL))
def saved(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, EncoderConfig]:
    """Profile and encoder whose weights lie in a file."""
    folder = tmp_path_factory.mktemp(request.param)
    name = f"susx-test-{request.param}"
    (folder / "configs").mkdir()
    (folder / "configs" / f"{name}.json").write_text(json.dumps(small_config(request.param, folder)))
    open_clip.add_model_config(folder / "configs")
    torch.manual_seed(0)
    model = open_clip.create_model(name, pretrained_text=False)
    save_file(
        {k: v.contiguous().clone() for k, v in model.state_dict().items()}, folder / "weights.safetensors"
    )
    return request.param, EncoderConfig(model=name, pretrained=str(folder / "weights.safetensors"))


def pictures() -> list[Image.Image]:
    noise = np.random.default_rng(0).integers(0, 256, (3, 50, 70, 3), dtype=np.uint8)
    return [Image.fromarray(picture) for picture in noise]


def test_features_are_the_librarys_own(saved: tuple[str, EncoderConfig]) -> None:
    """Unit rows of open_clip's forward pass; sentences of any length; the same in any company."""
    profile, config = saved
    encoder = load_encoder(config)
    images, texts = encoder.encode_images(pictures()), encoder.encode_texts(TEXTS)
    assert encoder.dim == 32
    with torch.inference_mode():
        pixels = torch.stack([encoder.preprocess(picture) for picture in pictures()])
        expected = encoder.model.encode_image(pixels, normalize=True)
        tokens = open_clip.get_tokenizer(config.model)(TEXTS)
        sentences = encoder.model.encode_text(tokens, normalize=True)
    torch.testing.assert_close(images, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(texts, sentences, atol=1e-5, rtol=0)
    torch.testing.assert_close(images[1:2], encoder.encode_images(pictures()[1:2]), atol=1e-5, rtol=0)
    torch.testing.assert_close(texts[1:2], encoder.encode_texts(TEXTS[1:2]), atol=1e-5, rtol=0)
    assert len(torch.unique(texts, dim=0)) == 3
    assert (encoder.logit_bias is not None) is profile.startswith("siglip")


def test_the_profiles_are_those_of_the_tests() -> None:
    """Each names weights that open_clip knows, and no other profile of this year's is untested."""
    known = set(open_clip.list_pretrained())
    for profile in config_names("profiles"):
        encoder = load_profile(profile).encoder
        if encoder.pretrained and encoder.model not in ("blip", "tcl"):
            assert (encoder.model, encoder.pretrained) in known


@pytest.mark.parametrize(
    ("model", "mean", "mode"),
    [
        ("ViT-B-16-SigLIP2", 0.5, "squash"),
        ("PE-Core-B-16", 0.5, "squash"),
        ("MobileCLIP2-S0", 0.0, "shortest"),
    ],
)
def test_a_checkpoint_from_a_file_is_shown_what_it_was_trained_with(
    model: str, mean: float, mode: str
) -> None:
    """As by its tag; where the published weights of one architecture differ, nothing is assumed."""
    found = published_pixels(model)
    assert found["image_mean"] == (mean,) * 3
    assert found["image_resize_mode"] == mode
    assert published_pixels("ViT-L-14") == {}
    assert published_pixels("no-such-model") == {}


def test_clip_retrieval_encodes_only_for_encoders_that_see_as_clip_does(
    saved: tuple[str, EncoderConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It loads a checkpoint without its tag: others are left to susx's own encoder."""
    encoder = load_encoder(saved[1])
    assert clip_retrieval_model(encoder) is not None
    visual = encoder.model.visual
    monkeypatch.setattr(visual, "preprocess_cfg", {**visual.preprocess_cfg, "mean": (0.5, 0.5, 0.5)})
    assert clip_retrieval_model(encoder) is None
