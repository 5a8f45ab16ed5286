"""Weights as people have them on disk: they load as they were trained, or a sentence says what the file is and how to make one that loads."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from susx.config import EncoderConfig, config_names, load_profile
from susx.errors import ModelError
from susx.features.encoder import load_encoder
from susx.features.identity import identify_encoder
from susx.features.open_clip_settings import weight_settings

VIT, RESNET = "susx-test-vit", "susx-test-resnet"
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
TOWERS = {
    VIT: {"image_size": 32, "layers": 2, "width": 64, "patch_size": 16},
    RESNET: {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
}
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 48, 3), dtype=np.uint8))


@pytest.fixture(scope="module", autouse=True)
def architectures(tmp_path_factory):
    """Small open_clip architectures, the transformer with a twin as ViT-B-32 has one."""
    folder = tmp_path_factory.mktemp("configs")
    for name, vision in TOWERS.items():
        for end, quick in (("", {}), ("-quickgelu", {"quick_gelu": True})):
            config = {"embed_dim": 32, "vision_cfg": vision, "text_cfg": TEXT, **quick}
            (folder / f"{name}{end}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)


@pytest.fixture(scope="module")
def trained():
    """The weights of a model with QuickGELU."""
    torch.manual_seed(0)
    return open_clip.create_model(f"{VIT}-quickgelu").eval()


@pytest.fixture
def weights(trained, tmp_path):
    """Those weights in a file of their own folder."""
    save_file(trained.state_dict(), tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


def rows(model, path, **settings):
    return load_encoder(
        EncoderConfig(model=model, pretrained=str(path), device="cpu", **settings)
    ).encode_images([PICTURE])


def published_config(folder, *, quick, mean=None):
    pixels = {"preprocess_cfg": {"mean": mean, "std": [0.5, 0.5, 0.5]}} if mean else {}
    told = {"model_cfg": {"embed_dim": 32, **({"quick_gelu": True} if quick else {})}, **pixels}
    (folder / "open_clip_config.json").write_text(json.dumps(told))


def test_nothing_tells_the_activation(weights, caplog):
    """The plain architecture runs as its name says, and a warning says what may be wrong and what to set; its twin is silent."""
    with caplog.at_level(logging.WARNING):
        plain = rows(VIT, weights)
    (message,) = [
        record.getMessage() for record in caplog.records if "Nothing tells whether" in record.getMessage()
    ]
    assert f"encoder.model={VIT}-quickgelu" in message
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        quick = rows(f"{VIT}-quickgelu", weights)
    assert not [record for record in caplog.records if "QuickGELU" in record.getMessage()]
    assert not torch.allclose(plain, quick, atol=1e-5)


def test_the_configuration_beside_the_file_tells(weights, caplog):
    """Its activation is used, silently, and the features are those of the twin; they are others' than without it, and have another digest."""
    before, unsaid = (
        identify_encoder(EncoderConfig(model=VIT, pretrained=str(weights))).id.digest,
        rows(VIT, weights),
    )
    caplog.clear()
    published_config(weights.parent, quick=True)
    with caplog.at_level(logging.WARNING):
        told = rows(VIT, weights)
    assert not [record for record in caplog.records if "QuickGELU" in record.getMessage()]
    assert torch.allclose(told, rows(f"{VIT}-quickgelu", weights), atol=1e-6)
    assert not torch.allclose(told, unsaid, atol=1e-5)
    assert identify_encoder(EncoderConfig(model=VIT, pretrained=str(weights))).id.digest != before


def test_pixel_statistics_beside_the_file(weights):
    """The mean and deviation that the weights were trained with are those that pictures get."""
    plain = rows(f"{VIT}-quickgelu", weights)
    published_config(weights.parent, quick=True, mean=[0.5, 0.5, 0.5])
    encoder = load_encoder(EncoderConfig(model=f"{VIT}-quickgelu", pretrained=str(weights), device="cpu"))
    pixels = encoder.prepare(Image.new("RGB", (32, 32), (255, 255, 255)))
    assert torch.allclose(pixels, torch.ones_like(pixels), atol=1e-6)
    assert not torch.allclose(encoder.encode_images([PICTURE]), plain, atol=1e-5)


def test_a_contradiction_is_told_and_refuses_nothing(weights, caplog):
    """The architecture that was asked for runs; the sentence names the file that says otherwise."""
    published_config(weights.parent, quick=False)
    with caplog.at_level(logging.WARNING):
        rows(f"{VIT}-quickgelu", weights)
    assert "does not say that w.safetensors was trained with QuickGELU" in caplog.text


def test_a_broken_configuration_is_named(weights):
    """Not passed over: it may say what nothing else does."""
    (weights.parent / "open_clip_config.json").write_text("{")
    with pytest.raises(ModelError, match=r"open_clip_config\.json is not a configuration"):
        rows(VIT, weights)


@pytest.mark.parametrize("model", ["ViT-B-32", "RN50"])
def test_a_tag_tells_its_activation(model):
    """OpenAI's weights by tag run with QuickGELU under either name of the architecture."""
    assert weight_settings(model, "openai", Path("x")).quick_gelu
    assert not weight_settings(f"{model}-quickgelu", "openai", Path("x")).quick_gelu
    assert not weight_settings("ViT-B-32", "laion2b_s34b_b79k", Path("x")).as_json()


@pytest.mark.parametrize("name", config_names("profiles"))
def test_profiles_name_the_architecture_of_their_weights(name):
    """The activation of every shipped profile is the one its weights were trained with."""
    encoder = load_profile(name).encoder
    tag = open_clip.get_pretrained_cfg(encoder.model, encoder.pretrained) if encoder.pretrained else {}
    if tag:
        config = open_clip.get_model_config(encoder.model)
        assert bool(tag.get("quick_gelu")) == bool(config.get("quick_gelu"))


def scripted(model, path):
    class Small(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.logit_scale = torch.nn.Parameter(torch.tensor(4.6))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.logit_scale

    torch.jit.save(torch.jit.script(Small()), str(path))


FORMS = {
    "scripted": ("w.pt", scripted, "TorchScript archive"),
    "pickled": ("w.pt", lambda model, path: torch.save(model, path), "whole pickled object"),
    "numpy": (
        "w.pt",
        lambda model, path: torch.save({"best": np.float64(0.3), "state_dict": model.state_dict()}, path),
        "numpy objects",
    ),
    "compiled": (
        "w.pt",
        lambda model, path: torch.save(
            {"state_dict": {f"_orig_mod.{k}": v for k, v in model.state_dict().items()}}, path
        ),
        "'_orig_mod",
    ),
    "other entry": (
        "w.pt",
        lambda model, path: torch.save({"model": model.state_dict(), "epoch": 3}, path),
        "entry 'model'",
    ),
    "no ending": (
        "folder/w",
        lambda model, path: save_file(model.state_dict(), path),
        "without its ending",
    ),
    "transformers": (
        "w.safetensors",
        lambda model, path: save_file(
            {"text_model.encoder.x": torch.zeros(1), "vision_model.encoder.x": torch.zeros(1)}, path
        ),
        "called as in transformers",
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_does_not_load_is_explained(form, trained, tmp_path):
    """The message says what the file is; where it gives a command, what that writes loads and gives the same features."""
    name, write, words = FORMS[form]
    (tmp_path / name).parent.mkdir(exist_ok=True)
    write(trained, tmp_path / name)
    with pytest.raises(ModelError, match=words) as refusal:
        rows(f"{VIT}-quickgelu", tmp_path / name)
    message = str(refusal.value)
    assert "likely succeed" not in message  # torch's advice to run what the file holds, without a look at it
    if "python -c" not in message or form == "scripted":
        return
    command = message[message.index("import torch;") : message.rindex('"')]
    exec(command, {})
    save_file(trained.state_dict(), tmp_path / "right.safetensors")
    found = rows(f"{VIT}-quickgelu", tmp_path / "w.weights.pt")
    assert torch.allclose(found, rows(f"{VIT}-quickgelu", tmp_path / "right.safetensors"), atol=1e-6)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["config.json", "model.safetensors"], "which is a folder. It holds a model of transformers"),
        (["open_clip_config.json", "config.json", "w.bin"], "Give one of the files in it: w.bin"),
        (["epoch_1.pt", "epoch_2.pt", "out.log"], "Give one of the files in it: epoch_1.pt, epoch_2.pt."),
        (["out.log"], "It holds no file of weights"),
    ],
)
def test_a_folder_in_place_of_a_file_is_explained(files, words, tmp_path):
    """It is there, so nobody is told that it is not: the message says what it holds and what to give."""
    for name in files:
        (tmp_path / name).write_text("{}")
    with pytest.raises(ModelError) as refusal:
        identify_encoder(EncoderConfig(model=VIT, pretrained=str(tmp_path)))
    assert words in str(refusal.value)


def test_the_forms_of_training_scripts_load(trained, tmp_path):
    """`module.` and a state_dict beside numbers are open_clip's own checkpoints."""
    state = {f"module.{name}": value for name, value in trained.state_dict().items()}
    torch.save({"epoch": 3, "name": "run", "state_dict": state}, tmp_path / "epoch_3.pt")
    assert rows(f"{VIT}-quickgelu", tmp_path / "epoch_3.pt").shape == (1, 32)


@pytest.mark.parametrize(("device", "words"), [("gpu", "is not a device: expected"), ("cuda:99", "CUDA")])
def test_a_device_that_is_none(device, words, weights):
    """The setting is named; the weights are not blamed."""
    with pytest.raises(ModelError, match=words):
        load_encoder(EncoderConfig(model=f"{VIT}-quickgelu", pretrained=str(weights), device=device))


def test_a_tokenizer_that_cannot_be_had(tmp_path, monkeypatch):
    """The weights are here; it is the tokenizer that is missing, and is named."""
    import transformers

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    text = TEXT | {"vocab_size": 10, "hf_tokenizer_name": "nobody/no-such-tokenizer"}
    config = {"embed_dim": 32, "vision_cfg": TOWERS[VIT], "text_cfg": text}
    (tmp_path / "susx-test-words.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path / "susx-test-words.json")
    save_file(open_clip.create_model("susx-test-words").state_dict(), tmp_path / "w.safetensors")
    transformers.utils.logging.set_verbosity_error()
    with pytest.raises(ModelError, match="not its tokenizer: open_clip takes 'nobody/no-such-tokenizer'"):
        load_encoder(EncoderConfig(model="susx-test-words", pretrained=str(tmp_path / "w.safetensors")))


@pytest.mark.parametrize("precision", EncoderConfig.model_fields["precision"].annotation.__args__)
@pytest.mark.parametrize("model", [VIT, RESNET, "susx-tiny"])
def test_every_precision_runs(model, precision, tmp_path):
    """Each value of the setting encodes pictures, texts and patches; half precision is near single."""
    path = ""
    if model != "susx-tiny":
        torch.manual_seed(0)
        path = tmp_path / "w.safetensors"
        save_file(open_clip.create_model(model).state_dict(), path)
    encoders = [
        load_encoder(EncoderConfig(model=model, pretrained=str(path), device="cpu", precision=name))
        for name in ("fp32", precision)
    ]
    for encode in (lambda e: e.encode_images([PICTURE]), lambda e: e.encode_texts(["woven texture."])):
        exact, found = (encode(encoder) for encoder in encoders)
        assert found.dtype == torch.float32
        assert torch.nn.functional.cosine_similarity(exact, found).min() > 0.98
    if model != RESNET:
        exact, found = (encoder.encode_patches([PICTURE]) for encoder in encoders)
        assert torch.nn.functional.cosine_similarity(exact, found, dim=-1).min() > 0.95
