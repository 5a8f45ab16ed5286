"""``susx predict`` against the bare encoder, and what a method costs beside encoding on ViT-B/32 sizes.

``python benchmarks/bench_predict.py [--quick]``. Bare encoder and classifier read the same JPEG files with the same
batch size and threads, in turns; the ratio is of the best turn of each.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from susx.classifier import ClassifierFacts, load_classifier, save_classifier
from susx.config import EncoderConfig
from susx.demo.textures import CATEGORIES, render
from susx.features.encoder import load_encoder
from susx.methods import METHODS, Evidence, ImageFeatures
from susx.methods.state import Fitted
from susx.records import SupportRow

__all__ = ["run", "write_classifier"]


def run(quick: bool) -> dict[str, Any]:
    """Measure; ``quick`` takes fewer images and skips nothing."""
    return {
        "predict": _predict(200 if quick else 2000, 3 if quick else 5),
        "method": _method(16 if quick else 128),
    }


def write_classifier(folder: Path, per_class: int = 16) -> Path:
    """Write a TIP-X classifier of the 47 textures under the embedded encoder."""
    encoder = load_encoder(EncoderConfig(model="susx-tiny"))
    texts = encoder.encode_texts([f"{name} texture." for name in CATEGORIES])
    labels = torch.arange(len(CATEGORIES)).repeat_interleave(per_class)
    pictures = [Image.fromarray(render(c, "web", "pool", i)) for c in CATEGORIES for i in range(per_class)]
    support = encoder.encode_images(pictures)
    rows = [SupportRow(CATEGORIES[c], f"{i}.png", "", "retrieved", "") for i, c in enumerate(labels.tolist())]
    facts = ClassifierFacts(tuple(CATEGORIES), encoder.identity, toy=True)
    fitted = Fitted.of(METHODS["tip_x"](), Evidence(texts, encoder.logit_scale, support, labels))
    return save_classifier(folder, facts, fitted, support_features=support, support_rows=rows)


def _predict(count: int, turns: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        classifier = load_classifier(write_classifier(folder / "classifier"), batch_size=64, workers=2)
        paths = []
        for i in range(count):
            picture = Image.fromarray(render(CATEGORIES[i % 47], "camera", "test", i // 47)).resize(
                (320, 240)
            )
            paths.append(folder / f"{i}.jpg")
            picture.save(paths[-1], quality=90)
        encoder = classifier.encoder
        encoder.encode_images(paths[:64])
        bare, ours = [], []
        for _ in range(turns):
            bare.append(_seconds(lambda: encoder.encode_images(paths)))
            ours.append(_seconds(lambda: classifier.predict(paths)))
    return {
        "images": count,
        "encoder": "susx-tiny",
        "bare images/s": round(count / min(bare), 1),
        "predict images/s": round(count / min(ours), 1),
        "ratio": round(min(bare) / min(ours), 3),
        "wanted": ">= 0.95",
    }


def _method(queries: int) -> dict[str, Any]:
    """Encoding with a ViT-B/32 of random weights beside TIP-X for 1,000 classes x 16 support images."""
    import open_clip

    model = open_clip.create_model("ViT-B-32").eval()
    images = torch.randn(queries, 3, 224, 224)
    generator = torch.Generator().manual_seed(0)
    text = torch.nn.functional.normalize(torch.randn(1000, 512, generator=generator), dim=1)
    labels = torch.arange(1000).repeat_interleave(16)
    noise = torch.nn.functional.normalize(torch.randn(16000, 512, generator=generator), dim=1)
    support = torch.nn.functional.normalize(text[labels] + noise, dim=1)
    method = METHODS["tip_x"]()
    state = method.fit(Evidence(text, 100.0, support, labels))
    query = ImageFeatures(support[:queries])
    with torch.inference_mode():
        model.encode_image(images[:2])
        method.logits(state, query)
        encoding, own = [], []
        for _ in range(3):
            encoding.append(_seconds(lambda: model.encode_image(images)))
            own.append(_seconds(lambda: method.logits(state, query)))
    return {
        "images": queries,
        "encode ms/image": round(1000 * min(encoding) / queries, 2),
        "tip_x ms/image": round(1000 * min(own) / queries, 3),
        "share": round(min(own) / min(encoding), 4),
        "wanted": "<= 0.02",
    }


def _seconds(work: Any) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    json.dump(run("--quick" in sys.argv), sys.stdout, indent=2)
