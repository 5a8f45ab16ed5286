"""Every kind of encoder behind the door as a bundle: tiny random models of the real architectures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file
from transformers import BertTokenizerFast, BlipConfig, BlipForImageTextRetrieval, BlipImageProcessor

from susx.bundle import load_bundle
from susx.bundle.agreement import compare
from susx.bundle.check_pictures import drawn_pictures
from susx.bundle.names import encode_sentences
from susx.bundle.write_bundle import COSINE, export_bundle
from susx.classifier import Classifier, ClassifierFacts, StoredClassifier
from susx.config import EncoderConfig
from susx.errors import ConfigError
from susx.features.encoder import load_encoder
from susx.methods import METHODS, Evidence
from susx.methods.state import Fitted
from tests.features import test_blip, test_tcl
from tests.features.test_current_encoders import SMALL, small_config

SENTENCES = ["a photo of striped cloth", "Dotted, woven!", "woven " * 90, "&amp; ☃"]
NAMES = ("cloth", "stone", "grass", "water", "sand")


def of_open_clip(folder: Path, kind: str) -> EncoderConfig:
    if kind in SMALL:
        config = small_config(kind, folder)
    else:
        config = open_clip.get_model_config(kind)
        config["embed_dim"] = 32
        config["text_cfg"] |= {"layers": 1, "width": 32, "heads": 2}
        config["vision_cfg"] |= (
            {"layers": [1, 1, 1, 1], "width": 8}
            if kind == "RN50"
            else {"layers": 2, "width": 64, "head_width": 32}
        )
    name = f"susx-test-bundle-{kind}"
    (folder / "configs").mkdir()
    (folder / "configs" / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder / "configs")
    torch.manual_seed(0)
    model = open_clip.create_model(name, pretrained_text=False)
    save_file({k: v.contiguous().clone() for k, v in model.state_dict().items()}, folder / "w.safetensors")
    return EncoderConfig(model=name, pretrained=str(folder / "w.safetensors"))


def of_blip(folder: Path) -> EncoderConfig:
    torch.manual_seed(0)
    small = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = BlipConfig(
        text_config=small | {"vocab_size": len(test_blip.WORDS), "encoder_hidden_size": 32, "bos_token_id": 2},
        vision_config=small | {"image_size": 384, "patch_size": 64}, image_text_hidden_size=256,
    )  # fmt: skip
    BlipForImageTextRetrieval(config).save_pretrained(folder)
    BlipImageProcessor(size={"height": 384, "width": 384}).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(test_blip.WORDS))
    BertTokenizerFast.from_pretrained(folder).save_pretrained(folder)
    return EncoderConfig(model="blip", pretrained=str(folder))


def of_tcl(folder: Path) -> EncoderConfig:
    save_file({k: v.contiguous().clone() for k, v in test_tcl.state().items()}, folder / "tcl.safetensors")
    (folder / "vocab.txt").write_text("\n".join(test_tcl.WORDS))
    return EncoderConfig(model="tcl", pretrained=str(folder))


KINDS = ("ViT-B-32", "ViT-B-32-quickgelu", "RN50", *sorted(SMALL), "blip", "tcl")


@pytest.mark.parametrize("kind", KINDS)
def test_every_encoder_gives_the_same_features(kind: str, tmp_path: Path) -> None:
    """Zero-shot of five names: exported, read again, and on other pictures than it was checked with."""
    folder = tmp_path / "weights"
    folder.mkdir()
    config = (
        {"blip": of_blip, "tcl": of_tcl}[kind](folder)
        if kind in ("blip", "tcl")
        else of_open_clip(folder, kind)
    )
    encoder = load_encoder(config)
    text = encoder.encode_texts([f"a photo of {name}" for name in NAMES])
    # Random sentences of a tiny vocabulary may be one and the same; the classes are told apart whatever they are.
    text = torch.nn.functional.normalize(
        text + torch.randn(text.shape, generator=torch.Generator().manual_seed(1)), dim=1
    )
    fitted = Fitted.of(METHODS["zero_shot"](), Evidence(text, encoder.logit_scale))
    facts = ClassifierFacts(NAMES, encoder.identity, config.pretrained)
    classifier = Classifier(StoredClassifier(facts, fitted, None, ()), device="cpu", batch_size=8)
    has_text = kind not in ("blip", "tcl")
    if not has_text:
        with pytest.raises(ConfigError, match=f"text tower of {kind} cannot be part"):
            export_bundle(classifier, tmp_path / "refused", text=True)
        assert not (tmp_path / "refused").exists()
    (said,) = export_bundle(classifier, tmp_path / "bundle", text=has_text)
    assert "Against torch on 32 pictures" in said
    bundle = load_bundle(tmp_path / "bundle", device="cpu")
    agreement = compare(bundle, classifier, drawn_pictures(32, seed=4))
    assert agreement.cosine >= COSINE
    assert agreement.same + agreement.ties == agreement.pictures
    assert agreement.pixel <= (20 if kind == "blip" else 0)
    assert agreement.whole >= 0.9999
    others = drawn_pictures(5, seed=11)
    found, expected = bundle.encode(others).pooled, encoder.encode_images(others).numpy()
    assert float((found * expected).sum(axis=1).min()) >= 0.9999
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert (bundle.stored.description.encoder.logit_bias is not None) is kind.startswith("siglip")
    if has_text:
        rows = encode_sentences(bundle, SENTENCES)
        assert float((rows * encoder.encode_texts(SENTENCES).numpy()).sum(axis=1).min()) >= COSINE
    (alone,) = [bundle.encode(others[2:3]).pooled]
    np.testing.assert_allclose(alone, found[2:3], atol=1e-5)
