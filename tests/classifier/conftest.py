"""A real classifier of eight textures under the embedded encoder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from susx.bundle import load_bundle
from susx.classifier import ClassifierFacts, load_classifier, save_classifier
from susx.config import EncoderConfig
from susx.demo.textures import render
from susx.features.encoder import load_encoder
from susx.methods import METHODS, Evidence, Method
from susx.methods.state import Fitted
from susx.records import SupportRow

NAMES = ("banded", "bubbly", "chequered", "cracked", "dotted", "grid", "striped", "zigzagged")


def texture(name: str, index: int, split: str = "test", domain: str = "camera") -> Image.Image:
    return Image.fromarray(render(name, domain, split, index))


def build(folder: Path, method: Method | None = None) -> Path:
    encoder = load_encoder(EncoderConfig(model="susx-tiny"))
    texts = encoder.encode_texts([f"{name} texture." for name in NAMES])
    labels = torch.arange(len(NAMES)).repeat_interleave(6)
    pictures = [texture(NAMES[label], i % 6, "pool", "web") for i, label in enumerate(labels.tolist())]
    support = encoder.encode_images(pictures)
    fitted = Fitted.of(method or METHODS["tip_x"](), Evidence(texts, encoder.logit_scale, support, labels))
    rows = [
        SupportRow(
            NAMES[label],
            f"{NAMES[label]}-{i}.png",
            "",
            "retrieved",
            f"{NAMES[label]} texture.",
            url=f"https://example.org/{i}.png",
        )
        for i, label in enumerate(labels.tolist())
    ]
    facts = ClassifierFacts(NAMES, encoder.identity, dataset="textures", temperature=1.5, toy=True)
    return save_classifier(folder, facts, fitted, support_features=support, support_rows=rows)


@pytest.fixture(scope="session")
def classifier_folder(tmp_path_factory) -> Path:
    """Folder of the classifier."""
    return build(tmp_path_factory.mktemp("built") / "classifier")


@pytest.fixture(scope="session")
def draw():
    """Function (class, index) -> picture of the target domain."""
    return texture


@pytest.fixture(scope="session")
def class_names() -> tuple[str, ...]:
    """The classes of the classifier."""
    return NAMES


@pytest.fixture(scope="session")
def build_classifier():
    """Function (folder, method) -> folder of a classifier of these textures."""
    return build


@pytest.fixture(scope="session")
def bundle_folder(classifier_folder: Path, tmp_path_factory) -> Path:
    """The classifier as a bundle, its weights in a file beside the graph as those of large encoders are."""
    from susx.bundle import towers
    from susx.bundle.write_bundle import export_bundle

    out = tmp_path_factory.mktemp("bundled") / "bundle"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(towers, "BESIDE", 1_000_000)
        export_bundle(load_classifier(classifier_folder), out)
    assert (out / "image.onnx.data").stat().st_size > 1_000_000
    return out


@pytest.fixture(scope="session")
def load(classifier_folder: Path, bundle_folder: Path):
    """Function (runtime, settings) -> the loaded classifier, on torch or on onnxruntime."""

    def load_(runtime: str, **settings):
        if runtime == "torch":
            return load_classifier(classifier_folder, **settings)
        return load_bundle(bundle_folder, **settings)

    return load_


@pytest.fixture(scope="module", params=["torch", "onnx"])
def runtime(request: pytest.FixtureRequest) -> str:
    """What computes: each test that asks for it runs on both."""
    return request.param


@pytest.fixture(scope="module")
def answering(runtime: str, load):
    """Function (settings) -> the loaded classifier on the runtime."""
    return lambda **settings: load(runtime, **settings)


@pytest.fixture(scope="module")
def place(runtime: str, classifier_folder: Path, bundle_folder: Path) -> list[str]:
    """Arguments that lead a command to the classifier on the runtime."""
    return (
        ["--classifier", str(classifier_folder)] if runtime == "torch" else ["--bundle", str(bundle_folder)]
    )
