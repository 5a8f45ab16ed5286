"""`susx encode`: folders of images into the features that `susx evaluate` reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from susx.cli import main
from susx.config import load_profile
from susx.datasets.describe import split_folders
from susx.datasets.own import new_dataset
from susx.demo.textures import render
from susx.errors import SusxError
from susx.experiment.encode import encode_folder
from susx.features.feature_folder import read_features

NAMES = ("polka-dotted", "knitted", "grid")


def images(folder: Path, split: str, count: int, first: int = 0) -> None:
    for name in NAMES:
        below = folder / split / name.replace("-", "_")
        below.mkdir(parents=True)
        for number in range(count):
            Image.fromarray(render(name, "web", "pool", first + number)).save(below / f"{number}.png")


def test_splits_become_splits(tmp_path: Path) -> None:
    """train, val and test are support, validation and test; the features are the encoder's, the labels the names' order."""
    for split, count, first in (("train", 4, 0), ("val", 2, 10), ("test", 3, 20)):
        images(tmp_path / "photos", split, count, first)
    (tmp_path / "photos" / "test" / "grid" / "torn.png").write_bytes(b"\x89PNG torn")
    main(["encode", str(tmp_path / "photos"), "--out", str(tmp_path / "features")])
    found = read_features(tmp_path / "features")
    assert found.class_names == ("grid", "knitted", "polka dotted")
    assert [len(s) for s in (found.support, found.validation, found.test) if s] == [12, 6, 9]
    direct, unreadable = encode_folder(tmp_path / "photos", load_profile("demo"))
    assert list(unreadable) == ["grid/torn.png"]
    assert direct.test is not None
    assert found.test is not None
    torch.testing.assert_close(found.test.features, direct.test.features)
    main(["evaluate", "--features", str(tmp_path / "features"), "--json", str(tmp_path / "rows.json")])
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert {"zero_shot", "tip_x"} <= {row["method"] for row in rows}


def test_one_folder_a_class_is_the_test_split(tmp_path: Path) -> None:
    """Without folders of splits all images are measured on; a data set gives classes and order."""
    images(tmp_path, "photos", 2)
    (tmp_path / "own.yaml").write_text(
        "name: own\nphoto_prompt: '{} texture.'\nclasses: [knitted, grid, polka-dotted]\n"
    )
    words = ["--dataset", str(tmp_path / "own.yaml"), "--out", str(tmp_path / "features")]
    main(["encode", str(tmp_path / "photos"), *words])
    found = read_features(tmp_path / "features")
    assert found.class_names == ("knitted", "grid", "polka-dotted")
    assert found.support is None
    assert found.test is not None
    assert sorted(found.test.labels.tolist()) == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("made", ["nothing", "empty", "unknown", "torn"])
def test_folders_that_cannot_be_used(tmp_path: Path, made: str) -> None:
    """No folder, no class folders, a folder of another class, only torn images: one paragraph, nothing written."""
    folder = tmp_path / "photos"
    dataset: list[str] = []
    if made == "empty":
        folder.mkdir()
    if made == "unknown":
        images(tmp_path, "photos", 1)
        (tmp_path / "own.yaml").write_text("name: own\nphoto_prompt: '{}.'\nclasses: [grid, knitted]\n")
        dataset = ["--dataset", str(tmp_path / "own.yaml")]
    if made == "torn":
        (folder / "grid").mkdir(parents=True)
        for number in range(3):
            (folder / "grid" / f"{number}.png").write_bytes(b"\x89PNG torn")
    with pytest.raises((SystemExit, SusxError)):
        main(["encode", str(folder), "--out", str(tmp_path / "features"), *dataset])
    assert not (tmp_path / "features").exists()


def test_a_data_set_of_folders_of_splits(tmp_path: Path) -> None:
    """`datasets new` takes the classes from inside the splits; a class called train stays a class."""
    for split in ("train", "val", "test"):
        images(tmp_path / "photos", split, 1)
    config = new_dataset("own", tmp_path / "photos", tmp_path / "own.yaml")
    assert config.classes == ("grid", "knitted", "polka dotted")
    assert dict(config.readers[0].options) == {"val": "val", "test": "test"}
    (tmp_path / "vehicles" / "train").mkdir(parents=True)
    (tmp_path / "vehicles" / "bus").mkdir()
    assert split_folders(tmp_path / "vehicles") == {}
    assert new_dataset("v", tmp_path / "vehicles", tmp_path / "v.yaml").classes == ("bus", "train")
