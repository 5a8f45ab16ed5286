"""Builds on other sources and with other needs than the demo's: features in place of images, patches."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from susx.config import EncoderConfig
from susx.demo.textures import render
from susx.features.encoder import load_encoder
from susx.testing.world import CLASSES, World, new_world


def rows_of(world: World) -> list[dict[str, object]]:
    report = world.store.folder(world.result.report)
    found: list[dict[str, object]] = json.loads((report / "metrics.json").read_text())["methods"]
    return found


def test_a_pool_of_features(tmp_path: Path) -> None:
    """No image is there; the pool's rows are the support, its statistics are taken, and the classifier is measured."""
    encoder = load_encoder(EncoderConfig(model="susx-tiny"))
    images = [Image.fromarray(render(name, "web", "pool", i)) for name in CLASSES for i in range(6)]
    pool = tmp_path / "pool"
    pool.mkdir()
    np.save(pool / "features.npy", encoder.encode_images(images).numpy())
    captions = [f"a photo of a {name} texture" for name in CLASSES for _ in range(6)]
    pd.DataFrame({"caption": captions}).to_csv(pool / "rows.csv", index=False)
    world = new_world(tmp_path)
    world.change("retrieval.backend=features", f"retrieval.folder={pool}", "curation.min_side=1")
    world.build()
    table = pd.read_parquet(world.store.path(world.result.support, "support.parquet"))
    kept = table[table["rejected"] == ""]
    assert kept.groupby("class_name").size().to_dict() == dict.fromkeys(CLASSES, 2)
    rows = rows_of(world)
    assert {"whitened_prototypes", "tip_x", "zero_shot"} <= {row["method"] for row in rows}
    assert all(0 <= float(str(row["top1"])) <= 1 for row in rows)
    assert not world.computed()
    # Another row of the pool makes the search stale, though every image file stays absent.
    features = np.load(pool / "features.npy")
    np.save(pool / "features.npy", features[::-1])
    assert ("search", CLASSES[0]) in {
        (e.job.stage, e.job.subject) for e in world.plan() if e.state != "fresh"
    }


def test_calip_in_a_build(tmp_path: Path) -> None:
    """Where a method asks for patches they are encoded, and it is measured under every protocol it has."""
    world = new_world(tmp_path)
    world.change("methods={calip: {}}", "headline=calip/fixed")
    world.build()
    rows = rows_of(world)
    assert {row["tuning"] for row in rows if row["method"] == "calip"} >= {"fixed"}
    top1 = {row["method"]: row["top1"] for row in rows if row["tuning"] in ("", "fixed")}
    assert set(top1) == {"zero_shot", "calip"}
    assert world.plan()
    assert not world.computed()
