"""A method from another package: one class, one entry point, and it is everywhere."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import onnxruntime
import pytest

import susx
from susx.classifier import read_classifier
from susx.classifier.export_classifier import export_onnx
from susx.cli import main
from susx.errors import ConfigError
from susx.methods.registry import known_methods
from susx.testing.world import new_world

METHOD = '''
from dataclasses import dataclass

import torch
from susx import Axis, LinearHead, Method, Need, Run, TextState


@dataclass(frozen=True)
class MeansState(TextState):
    means: torch.Tensor


@dataclass(frozen=True)
class ClassMeans(Method[MeansState]):
    """logits = s f.W + weight s f.u, u the mean support image of each class."""

    weight: float = 0.5

    name = "class_means"
    title = "Class means"
    needs = frozenset({Need.SUPPORT})
    state_type = MeansState
    axes = (Axis("weight", {"val": (0.0, 0.5, 1.0), "support": (0.0, 0.5, 1.0)}, term="the class means"),)

    def __post_init__(self):
        self._check(non_negative=("weight",))

    def fit(self, evidence, run=Run()):
        rows, labels = evidence.support(self.name)
        sums = rows.new_zeros(evidence.classes, rows.shape[1]).index_add(0, labels, rows)
        return MeansState(evidence.text_classifier, evidence.logit_scale, torch.nn.functional.normalize(sums, dim=1))

    def scores(self, state, pooled, patches):
        return state.logit_scale * (pooled @ (state.text + self.weight * state.means).T)

    def linear_head(self, state):
        return LinearHead(state.logit_scale * (state.text + self.weight * state.means))
'''


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A package on the path whose entry point offers the method; forgotten afterwards."""
    site = tmp_path / "site"
    facts = site / "class_means-1.0.dist-info"
    facts.mkdir(parents=True)
    (site / "class_means.py").write_text(METHOD)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: class-means\nVersion: 1.0\n")
    entry = facts / "entry_points.txt"
    entry.write_text("[susx.methods]\nclass_means = class_means:ClassMeans\n")
    monkeypatch.syspath_prepend(str(site))
    known_methods.cache_clear()
    yield entry
    known_methods.cache_clear()
    sys.modules.pop("class_means", None)


def test_a_method_of_another_package_is_everywhere(plugin: Path, tmp_path: Path):
    """Build, tuning, report, evaluate, predict and export take it as they take any other."""
    assert len([line for line in METHOD.splitlines() if line.strip()]) < 40
    world = new_world(tmp_path)
    world.change("methods={class_means: {}}", "headline=class_means/val")
    world.build()
    report = world.store.folder(world.result.report)
    rows = json.loads((report / "metrics.json").read_text())["methods"]
    assert [(r["method"], r["tuning"]) for r in rows] == [
        ("zero_shot", ""), ("class_means", "fixed"), ("class_means", "support"), ("class_means", "val"),
    ]  # fmt: skip
    assert "Class means" in (report / "report.html").read_text(encoding="utf-8")
    folder = world.store.path(world.result.package, "classifier")
    classifier = susx.load_classifier(folder)
    assert classifier.stored.method.name == "class_means"
    (prediction,) = classifier.predict(
        [next(world.folder.rglob("*.jpg"), None) or next(world.folder.rglob("*.png"))]
    )
    assert prediction.error is None
    assert prediction.neighbours
    assert export_onnx(read_classifier(folder), tmp_path / "m.onnx") < 1e-3
    assert onnxruntime.InferenceSession(str(tmp_path / "m.onnx")).get_outputs()[0].name == "logits"


def test_it_is_measured_on_features(plugin: Path, tmp_path: Path):
    """`susx evaluate` lists it among the methods without being asked, under every protocol."""
    from tests.commands.test_features_command import folder

    main(["evaluate", "--features", str(folder(tmp_path / "f")), "--json", str(tmp_path / "rows.json")])
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert [r["tuning"] for r in rows if r["method"] == "class_means"] == ["fixed", "support", "val"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("tip_x = class_means:ClassMeans", "has the name of a known method"),
        ("class_means = class_means:MeansState", "no susx.methods.Method of that name"),
    ],
)
def test_an_entry_point_that_is_no_method_is_refused(plugin: Path, line: str, words: str):
    """What a package offers wrongly is named, with the package's own line."""
    plugin.write_text(f"[susx.methods]\n{line}\n")
    known_methods.cache_clear()
    with pytest.raises(ConfigError, match=words):
        known_methods()
