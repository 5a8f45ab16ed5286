"""What a person says of images is obeyed: the journey from photographs and corrections to a classifier, all by default."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml
from PIL import Image

from susx.classifier import load_classifier
from susx.cli import main
from susx.demo.textures import render
from susx.pipeline import package
from susx.testing.world import new_world

REAL = os.environ.get("SUSX_REAL_DATA", "")
KINDS = (
    "accordion", "barrel", "bonsai", "butterfly", "camera", "chair", "dolphin", "elephant", "ferry", "helicopter", "lamp",
    "sunflower",
)  # fmt: skip
NAMES = {"banded": "north", "dotted": "south", "grid": "east", "woven": "west"}
"""Names that tell nothing of what they stand for."""


def draw(folder, texture, count, start=0):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(start, start + count):
        Image.fromarray(render(texture, "web", "train", i)).save(folder / f"{i}.png")


def run(*arguments):
    """Run a command; one that fails ends the test by its exit."""
    main(list(arguments))


def test_labels_are_obeyed_where_names_say_nothing(tmp_path):
    """Three pictures a class under names that mean nothing: all of them are repeated, and most others are told."""
    world = new_world(tmp_path)
    classes = list(NAMES.values())
    for texture, name in NAMES.items():
        draw(tmp_path / "examples" / name, texture, 3)
        draw(tmp_path / "others" / name, texture, 12, start=100)
    world.write(classes=classes, examples="examples", reader=None)
    world.build()
    classifier = load_classifier(world.store.folder(world.result.package) / package.FOLDER)

    def right(kind):
        files = sorted((tmp_path / kind).glob("*/*.png"))
        found = [prediction.classes[0].class_name for prediction in classifier.predict(files)]
        return sum(name == file.parent.name for name, file in zip(found, files, strict=True)), len(files)

    assert not classifier.stored.is_zero_shot
    assert right("examples") == (12, 12)
    told, of = right("others")
    assert told >= 0.7 * of


def test_seeds_that_are_not_looked_at_are_not_said_to_be_used(world):
    """A note says that examples are used where the packaged classifier uses them, and else that it does not."""
    draw(world.folder / "examples" / "woven", "dotted", 4)
    world.write(examples="examples")
    said = {}
    for headline in ("whitened_prototypes", "zero_shot"):
        world.change(f"headline={headline}")
        world.build()
        notes = json.loads((world.store.folder(world.result.report) / "metrics.json").read_text())["notes"]
        [said[headline]] = [note for note in notes if "contradict" in note]
    assert "They are used" in said["whitened_prototypes"]
    assert "does not look at them" in said["zero_shot"]


@pytest.mark.skipif(not REAL, reason="SUSX_REAL_DATA names no folder of real photographs")
def test_120_photographs_of_which_36_are_corrected(tmp_path, monkeypatch):
    """Ten photographs each of twelve classes that the embedded encoder knows nothing of, three a class corrected: at least 54
    are right (8 were before), the 36 corrected ones all, and the report tells the truth."""
    monkeypatch.chdir(tmp_path)
    place = {}
    for name in KINDS:
        for i, file in enumerate(sorted((Path(REAL) / "photos" / name).glob("*.jpg"))[:10]):
            place[f"{len(place):03d}.jpg"] = (name, i < 3)
            for folder in ("photos", *([f"examples/{name}"] if i < 3 else [])):
                Path(folder).mkdir(parents=True, exist_ok=True)
                shutil.copy(file, Path(folder) / f"{len(place) - 1:03d}.jpg")
    assert len(place) == 120
    description = {
        "name": "mine",
        "photo_prompt": "A photo of a {}.",
        "classes": list(KINDS),
        "examples": "examples",
    }
    Path("mine.yaml").write_text(yaml.safe_dump(description))
    run("index", "build", "idx", "--images", "photos", "--profile", "demo")
    run(
        "build", "--dataset", "mine.yaml", "--profile", "demo", "--store", "store", "--set", "retrieval.backend=index", "--set",
        "retrieval.folder=idx",
    )  # fmt: skip
    [result] = Path("store/runs").glob("mine-*")
    run("predict", "photos", "--classifier", str(result / "classifier"), "--out", "predictions.jsonl")
    answers = [json.loads(line) for line in Path("predictions.jsonl").read_text().splitlines()]
    right = {Path(answer["image"]).name: answer["class_name"] for answer in answers}
    assert len(right) == 120
    obeyed = [right[file] == name for file, (name, corrected) in place.items() if corrected]
    assert len(obeyed) == 36
    assert all(obeyed)
    assert sum(right[file] == name for file, (name, _) in place.items()) >= 54
    notes = json.loads((result / "metrics.json").read_text())["notes"]
    assert any("They are used" in note for note in notes)
