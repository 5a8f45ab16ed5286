"""A real classifier of eight textures under the embedded encoder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from susx.classifier import ClassifierFacts, save_classifier
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
    facts = ClassifierFacts(
        NAMES, EncoderConfig(model="susx-tiny"), encoder.digest, dataset="textures", temperature=1.5, toy=True
    )
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
