"""Evaluation on real CLIP features: the numbers known for them, and the effects the papers describe."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from susx.evaluation import (
    centroid_gap,
    compare,
    cosine_histograms,
    fit_temperature,
    measure,
    reliability,
    top_k_correct,
)
from susx.methods import ClipAdapter, Evidence, ImageFeatures, TipAdapter, TipAdapterF, ZeroShot

REAL = os.environ.get("SUSX_REAL_DATA", "")
pytestmark = pytest.mark.skipif(not REAL, reason="SUSX_REAL_DATA names no folder of real features")


@pytest.fixture(scope="module")
def dtd() -> dict[str, torch.Tensor]:
    """DTD through ViT-B/32: features and labels of val and test, and the text rows."""
    folder = Path(REAL) / "clip-vit-b-32" / "dtd"
    found = {
        f"{split}_{kind}": torch.load(folder / f"{split}_{kind}.pt", map_location="cpu", weights_only=True)
        for split in ("val", "test")
        for kind in ("f", "l")
    }
    found = {name: t.float() if name.endswith("f") else t.long() for name, t in found.items()}
    return found | {"text": torch.from_numpy(np.load(folder / "text.npy")).float()}


def test_zero_shot_is_the_known_number(dtd: dict[str, torch.Tensor]) -> None:
    """44.80 % top-1 on DTD's test split, inside its interval of some two points either way."""
    found = measure(100 * dtd["test_f"] @ dtd["text"].T, dtd["test_l"])
    assert round(100 * found.top1, 2) == 44.80
    assert found.n == 1692
    assert 0.02 < found.high - found.top1 < 0.03
    assert found.top5 > 0.7
    # DTD's test split has 36 images of each class
    assert found.mean_per_class == pytest.approx(found.top1)


def test_temperature_of_val_helps_test(dtd: dict[str, torch.Tensor]) -> None:
    """One temperature fitted on val lowers the calibration error on test."""
    temperature = fit_temperature(100 * dtd["val_f"] @ dtd["text"].T, dtd["val_l"])
    logits = 100 * dtd["test_f"] @ dtd["text"].T
    before, after = reliability(logits, dtd["test_l"]), reliability(logits, dtd["test_l"], temperature)
    assert after.ece < before.ece


def test_the_modality_gap_is_there(dtd: dict[str, torch.Tensor]) -> None:
    """Any two images are closer to each other than an image is to its own class's text."""
    found = {h.name: h.mean or 0.0 for h in cosine_histograms(dtd["test_f"], dtd["test_l"], dtd["text"])}
    assert found["image-image, other class"] > found["image-text, same class"] + 0.2
    assert found["image-image, same class"] > found["image-image, other class"]
    assert found["image-text, same class"] > found["image-text, other class"]
    assert centroid_gap(dtd["test_f"], dtd["text"]) > 0.5


def test_noise_does_not_beat_clip(dtd: dict[str, torch.Tensor]) -> None:
    """Blurred text rows lose, significantly, and the paired interval lies below zero."""
    noise = torch.randn(dtd["text"].shape, generator=torch.Generator().manual_seed(0))
    worse = torch.nn.functional.normalize(dtd["text"] + 0.03 * noise, dim=1)
    right = [top_k_correct(100 * dtd["test_f"] @ text.T, dtd["test_l"], 1) for text in (dtd["text"], worse)]
    found = compare(*right)
    assert found.high < 0
    assert found.p_value < 1e-3


def test_trained_methods_beat_their_training_free_relatives(dtd: dict[str, torch.Tensor]) -> None:
    """16 labelled shots a class, fixed values: Tip-Adapter-F beats Tip-Adapter and CLIP-Adapter zero-shot, significantly."""
    earlier = torch.nn.functional.one_hot(dtd["val_l"]).cumsum(0)
    first = earlier.gather(1, dtd["val_l"][:, None])[:, 0] <= 16
    evidence = Evidence(dtd["text"], 100.0, dtd["val_f"][first], dtd["val_l"][first])
    assert len(evidence.support("test")[1]) == 47 * 16
    right = {}
    for method in (ZeroShot(), TipAdapter(), TipAdapterF(), ClipAdapter()):
        logits = method.logits(method.fit(evidence), ImageFeatures(dtd["test_f"]))
        right[method.name] = logits.argmax(1) == dtd["test_l"]
    assert compare(right["tip_adapter"], right["tip_adapter_f"]).low > 0.05
    assert compare(right["zero_shot"], right["clip_adapter"]).low > 0.1
