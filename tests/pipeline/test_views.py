"""A method that looks at many views of an image, in a build and in its classifier."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from susx.classifier import load_classifier
from susx.demo.textures import render
from susx.errors import ConfigError
from susx.testing.world import new_world


def test_views_are_encoded_where_a_method_asks_for_them(tmp_path: Path) -> None:
    """The target is encoded again, with views; nothing else is. The classifier makes views of its own, and is no graph."""
    world = new_world(tmp_path)
    world.change("methods={tip_adapter: {}}", "tuning=[fixed]", "headline=")
    world.build()
    world.change("methods={mta: {}}", "headline=mta/fixed")
    changed = {"target", "curate", "fit", "classify", "package", "report"}
    assert {stage for stage, _ in world.computed()} <= changed
    report = world.store.folder(world.result.report)
    rows = {
        row["method"]: row["top1"] for row in json.loads((report / "metrics.json").read_text())["methods"]
    }
    assert set(rows) == {"zero_shot", "mta"}
    assert rows["mta"] > 0.5 * rows["zero_shot"]
    classifier = load_classifier(world.artefact("package", "") / "classifier")
    pictures = [Image.fromarray(render(name, "camera", "test", 0)) for name in ("grid", "dotted")]
    together = classifier.predict(pictures, top_k=1)
    (alone,) = classifier.predict(pictures[1:], top_k=1)
    assert alone.classes[0].probability == pytest.approx(together[1].classes[0].probability, abs=1e-4)
    with pytest.raises(ConfigError, match="'mta' looks at many views of an image"):
        classifier.stored.method.module(classifier.stored.state)
