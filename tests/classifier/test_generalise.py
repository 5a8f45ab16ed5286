"""A packaged classifier on another data set of some of its classes: another order, another domain."""

from __future__ import annotations

import json

import pytest
import yaml
from typer.testing import CliRunner

from susx.classifier import load_classifier
from susx.cli import app
from susx.errors import MismatchError

NAMES = ("grid", "banded", "zigzagged")


IMAGES = {"test": 6, "val": 4}


@pytest.fixture
def sketches(tmp_path, draw):
    """An ImageFolder of three of the classes, in another order, from the web domain; YAML and data root."""
    for name in NAMES:
        for split, count in IMAGES.items():
            folder = tmp_path / "data" / "sketches" / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                draw(name, index, "train", "web").save(folder / f"{index}.png")
    description = {
        "name": "sketches", "photo_prompt": "{} texture.", "classes": list(NAMES),
        "reader": {"kind": "imagefolder", "folder": "sketches", "options": {"test": "test", "val": "val"}},
    }  # fmt: skip
    path = tmp_path / "sketches.yaml"
    path.write_text(yaml.safe_dump(description, sort_keys=False))
    return path, tmp_path / "data"


@pytest.mark.parametrize("split", IMAGES)
def test_scores_are_those_of_the_classifier_among_the_targets_classes(
    classifier_folder, sketches, draw, tmp_path, split
):
    """Columns are matched by name; top-1 is what predictions restricted to the three classes give."""
    path, root = sketches
    arguments = [
        "generalise",
        "--classifier",
        str(classifier_folder),
        "--target",
        f"{path}={root}",
        "--split",
        split,
    ]
    done = CliRunner().invoke(app, [*arguments, "--json", str(tmp_path / "rows.json")])
    assert done.exit_code == 0, done.output
    (row,) = json.loads((tmp_path / "rows.json").read_text())
    loaded = load_classifier(classifier_folder)
    right = 0
    for name in NAMES:
        for prediction in loaded.predict(
            [draw(name, i, "train", "web") for i in range(IMAGES[split])], top_k=8
        ):
            best = next(scored.class_name for scored in prediction.classes if scored.class_name in NAMES)
            right += best == name
    assert (row["dataset"], row["classes"], row["n"]) == ("sketches", 3, 3 * IMAGES[split])
    assert row["top1"] == pytest.approx(right / (3 * IMAGES[split]))
    assert row["low"] <= row["top1"] <= row["high"]
    assert row["gain"] == pytest.approx(row["top1"] - row["zero_shot"])
    assert "sketches" in done.output


def test_a_class_the_classifier_does_not_know_and_images_that_are_not_there(classifier_folder, sketches):
    """Both are refused, naming the class, and the folder to give."""
    path, root = sketches
    text = path.read_text()
    arguments = ["generalise", "--classifier", str(classifier_folder), "--target"]
    missing = CliRunner().invoke(app, [*arguments, str(path)])
    assert "=FOLDER" in str(missing.exception or missing.output)
    path.write_text(text.replace("- grid", "- griddy"))
    (root / "sketches" / "test" / "grid").rename(root / "sketches" / "test" / "griddy")
    unknown = CliRunner().invoke(app, [*arguments, f"{path}={root}"])
    assert isinstance(unknown.exception, MismatchError)
    assert "griddy" in str(unknown.exception)
