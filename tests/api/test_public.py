"""The public Python API: what is exported, and the three ways people use it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

import susx
from susx.cli import main
from susx.demo.textures import render
from susx.errors import ConfigError
from susx.features.feature_set import FeatureSet, Split
from susx.results import read_result
from tests.commands.test_features_command import folder

SMALL = {"retrieval.pool_size": 240, "retrieval.over_fetch": 2, "tuning": ["fixed"]}


def test_every_exported_name_is_there():
    """Each exported name can be had, and no other; adding one is a decision, made here."""
    assert (
        sorted(susx.__all__, key=lambda n: (not n[0].isupper(), n.startswith("__") and -1, n)) or susx.__all__
    )
    for name in susx.__all__:
        assert getattr(susx, name) is not None
    assert set(susx.__all__) == {
        "Axis", "Build", "Evidence", "FeatureClassifier", "FeatureSet", "ImageFeatures", "Labels", "LinearHead", "Method", "Need", "Run", "Split", "TextState",
        "__version__", "build", "evaluate", "known_methods", "label", "load_classifier", "run_experiment",
    }  # fmt: skip
    with pytest.raises(AttributeError, match="classify"):
        _ = susx.classify


def test_importing_susx_loads_nothing_heavy():
    """The import and the names of methods cost no torch, pandas or Prefect."""
    code = (
        "import sys, susx; assert 'tip_x' in susx.known_methods()\n"
        "heavy = {'torch', 'pandas', 'prefect', 'transformers', 'open_clip'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_from_names_to_predictions(tmp_path: Path):
    """An engineer's way: names, a build, the support as a table, predictions."""
    names = ["banded", "dotted", "grid", "woven"]
    built = susx.build(names, name="four weaves", per_class=2, store=tmp_path / "store", settings=SMALL)
    support = built.support()
    assert set(support[support["rejected"] == ""]["class_name"]) == set(names)
    assert built.report.is_file()
    assert built.accuracies().empty
    picture = Image.fromarray(render("dotted", "camera", "test", 0))
    (prediction,) = built.classifier().predict([picture])
    assert {scored.class_name for scored in prediction.classes} == set(names)
    again = susx.build(names, name="four weaves", per_class=2, store=tmp_path / "store", settings=SMALL)
    assert all(stage["computed"] == 0 for stage in again.summary["stages"])
    assert again.folder == built.folder


@pytest.mark.parametrize("names", [[], ["a", "a"], ["a", " "]])
def test_names_that_cannot_be_used_are_refused(names: list[str], tmp_path: Path):
    """Nothing is begun with an empty or ambiguous list."""
    with pytest.raises(ConfigError, match="class names cannot be used"):
        susx.build(names, store=tmp_path / "store")


def test_own_features_in_memory():
    """A researcher's way: features and prompts in, a row per method with intervals out."""
    generator = torch.Generator().manual_seed(0)
    unit = torch.nn.functional.normalize
    text = unit(torch.randn(3, 16, generator=generator))

    def split(rows: int) -> Split:
        labels = torch.arange(rows) % 3
        return Split(unit(text[labels] + 0.5 * torch.randn(rows, 16, generator=generator)), labels)

    features = FeatureSet(("a", "b", "c"), text, support=split(12), validation=split(30), test=split(60))
    experiment = susx.evaluate(features, methods=["tip_x"], tuning=["fixed", "val"])
    assert [(row.method, row.tuning) for row in experiment.rows] == [
        ("zero_shot", "-"), ("tip_x", "fixed"), ("tip_x", "val"),
    ]  # fmt: skip
    assert len(experiment.frame()) == 3
    assert experiment.frame()["low"].le(experiment.frame()["top1"]).all()


def test_an_experiment_is_what_its_command_measures(tmp_path: Path) -> None:
    """Rows, files and a second run that measures nothing; what failed is a row, and is measured again when asked to."""
    folder(tmp_path / "f")
    file = tmp_path / "e.yaml"
    asked = {
        "name": "e",
        "datasets": {"f": {"features": "f"}},
        "methods": ["tip_adapter"],
        "access": ["shots"],
        "shots": [1, 100],
        "tuning": ["fixed"],
    }
    file.write_text(yaml.safe_dump(asked))
    result = susx.run_experiment(file, tmp_path / "python", store=tmp_path / "store", device="cpu")
    main(
        [
            "experiment",
            str(file),
            "--store",
            str(tmp_path / "store"),
            "--out",
            str(tmp_path / "command"),
            "--device",
            "cpu",
        ]
    )
    measured = read_result(tmp_path / "command")
    assert [row.top1 for row in result.rows] == [row.top1 for row in measured.rows]
    assert [bool(row.reason) for row in result.rows] == [bool(row.reason) for row in measured.rows]
    assert any(row.reason for row in result.rows)
    assert not all(row.reason for row in result.rows)
    before = {
        path: path.stat().st_mtime_ns for path in (tmp_path / "store/artefacts/cell").rglob("manifest.json")
    }
    susx.run_experiment(file, tmp_path / "python", store=tmp_path / "store", device="cpu")
    again = {
        path: path.stat().st_mtime_ns for path in (tmp_path / "store/artefacts/cell").rglob("manifest.json")
    }
    assert again == before
    susx.run_experiment(file, tmp_path / "python", store=tmp_path / "store", device="cpu", retry_failed=True)
    after = {
        path: path.stat().st_mtime_ns for path in (tmp_path / "store/artefacts/cell").rglob("manifest.json")
    }
    assert len(after) == len(before)
    assert after != before
