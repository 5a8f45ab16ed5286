"""BLIP's contrastive head against the library's own forward pass, on a tiny random model saved to disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import (
    BertTokenizerFast,
    BlipConfig,
    BlipForImageTextRetrieval,
    BlipImageProcessor,
)

from susx.config import EncoderConfig
from susx.errors import InputError, ModelError
from susx.features.encoder import load_encoder
from susx.features.identity import identify_encoder

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "a",
    "photo",
    "of",
    "striped",
    "dotted",
    "woven",
    "cloth",
]
TEXTS = ["a photo of striped cloth", "dotted", "woven " * 60]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A retrieval model of BLIP's architecture, as transformers saves it: width 256, 384 px."""
    path = tmp_path_factory.mktemp("blip")
    torch.manual_seed(0)
    small = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = BlipConfig(
        text_config=small | {"vocab_size": len(WORDS), "encoder_hidden_size": 32, "bos_token_id": 2},
        vision_config=small | {"image_size": 384, "patch_size": 64},
        image_text_hidden_size=256,
    )
    BlipForImageTextRetrieval(config).save_pretrained(path)
    BlipImageProcessor(size={"height": 384, "width": 384}).save_pretrained(path)
    (path / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast.from_pretrained(path).save_pretrained(path)  # transformers 5 does not read vocab_file=
    return path


def pictures() -> list[Image.Image]:
    noise = np.random.default_rng(0).integers(0, 256, (3, 50, 70, 3), dtype=np.uint8)
    return [Image.fromarray(pixels) for pixels in noise]


def config_of(folder: Path) -> EncoderConfig:
    return EncoderConfig(model="blip", pretrained=str(folder), device="cpu", batch_size=2)


def test_cosines_are_those_of_the_library(folder: Path) -> None:
    """Projections of both CLS tokens, text padded to 35 and cut there: the library's own contrastive scores."""
    encoder = load_encoder(config_of(folder))
    images, texts = encoder.encode_images(pictures()), encoder.encode_texts(TEXTS)
    assert images.shape == texts.shape == (3, 256)
    torch.testing.assert_close(images.norm(dim=1), torch.ones(3))
    model = BlipForImageTextRetrieval.from_pretrained(folder).eval()
    pixels = BlipImageProcessor.from_pretrained(folder)(pictures(), return_tensors="pt")["pixel_values"]
    words = BertTokenizerFast.from_pretrained(folder)(
        TEXTS, padding="max_length", truncation=True, max_length=35, return_tensors="pt"
    )
    assert words["input_ids"].shape == (3, 35)
    with torch.no_grad():
        expected = model(
            input_ids=words["input_ids"], attention_mask=words["attention_mask"], pixel_values=pixels, use_itm_head=False
        ).itm_score  # fmt: skip
    torch.testing.assert_close(images @ texts.T, expected, rtol=1e-4, atol=1e-5)
    assert (encoder.dim, encoder.logit_scale) == (256, pytest.approx(100.0))


def test_the_identity_is_that_of_the_weights(folder: Path, tmp_path: Path) -> None:
    """The path has no part in it, every file of the folder has."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    first = identify_encoder(config_of(folder)).id
    assert identify_encoder(config_of(copy)).id.digest == first.digest
    tensors = load_file(copy / "model.safetensors")
    tensors["text_proj.bias"] += 1
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    assert identify_encoder(config_of(copy)).id.digest != first.digest


def test_no_patch_features(folder: Path) -> None:
    """CALIP's need is refused by name."""
    with pytest.raises(InputError, match="blip yields no patch features"):
        load_encoder(config_of(folder)).encode_patches(pictures())


def test_what_is_no_blip_is_refused(folder: Path, tmp_path: Path) -> None:
    """No folder, and a folder without the weights of the contrastive head (a captioning model)."""
    with pytest.raises(ModelError, match="asks for the folder of a BLIP"):
        identify_encoder(config_of(tmp_path / "missing"))
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors = {k: v for k, v in load_file(folder / "model.safetensors").items() if "_proj" not in k}
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="this is no BLIP retrieval model"):
        load_encoder(config_of(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="cannot be loaded as a BLIP"):
        load_encoder(config_of(tmp_path))
