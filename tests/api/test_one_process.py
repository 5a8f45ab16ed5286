"""A notebook: files are edited between two calls of one process, in their place and with their times set back; each call sees what is there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

import susx
from susx.demo.textures import render

CLASSES = ("striped", "dotted", "knitted")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notebook") / "photos"
    folder.mkdir()
    for name in CLASSES:
        for number in range(4):
            Image.fromarray(render(name, "web", "train", number)).save(folder / f"{name}-{number}.png")
    return folder


def _replace(target: Path, source: Path) -> None:
    """Put another file in the place of one, its time set back."""
    before = target.stat()
    shutil.copyfile(source, target)
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))


def _labels(folder: Path, names: Path, **options: object) -> dict[str, str]:
    store = folder.parent / "store"
    frame = susx.label(folder, names, store=store, no_pool=True, **options).frame  # type: ignore[arg-type]
    return dict(zip(frame["path"], frame["label"], strict=True))


def test_names_photographs_and_answers_are_those_of_now(photographs: Path, tmp_path: Path) -> None:
    """One list of names in the place of another, a photograph in the place of another, an answer beside the result."""
    names = tmp_path / "names.txt"
    names.write_text("striped\ndotted\nknitted\n")
    first = _labels(photographs, names, out=tmp_path / "out")
    assert set(first.values()) <= set(CLASSES)
    assert first["striped-0.png"] == "striped"
    names.write_text("striped\ndotted\ngridded\n")
    assert "knitted" not in _labels(photographs, names).values()
    names.write_text("striped\ndotted\nknitted\n")
    _replace(photographs / "striped-0.png", photographs / "dotted-0.png")
    assert _labels(photographs, names, out=tmp_path / "out")["striped-0.png"] == first["dotted-0.png"]
    for answer in ("knitted", "striped"):
        (tmp_path / "out" / "corrections.csv").write_text(f"path,label\nstriped-1.png,{answer}\n")
        assert _labels(photographs, names, out=tmp_path / "out")["striped-1.png"] == answer


def test_a_description_is_that_of_now(photographs: Path, tmp_path: Path) -> None:
    """A data set's YAML that gets other classes, words and a prompt."""
    description = tmp_path / "d.yaml"
    seen = []
    for classes in ("[striped, dotted]", "[knitted, dotted]"):
        description.write_text(f"name: d\nclasses: {classes}\n")
        seen.append(susx.label(photographs, description, store=tmp_path / "store", no_pool=True).classes)
    assert seen == [("striped", "dotted"), ("knitted", "dotted")]


def test_features_and_pool_are_those_of_now(photographs: Path, tmp_path: Path) -> None:
    """``susx.evaluate`` twice: class rows swapped in the file give the swapped result."""
    from susx.config import load_profile
    from susx.experiment.encode import encode_folder
    from susx.features.feature_folder import write_features

    for name in CLASSES[:2]:
        for number in range(4):
            target = tmp_path / "set" / name / f"{number}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(render(name, "web", "train", number)).save(target)
    features, _ = encode_folder(tmp_path / "set", load_profile("demo"), None)
    write_features(features, tmp_path / "features")
    accuracy = [_top1(tmp_path / "features")]
    file = tmp_path / "features" / "features.safetensors"
    tensors = load_file(file)
    tensors["text"] = tensors["text"].flip(0).contiguous()
    save_file(tensors, tmp_path / "swapped.safetensors")
    _replace(file, tmp_path / "swapped.safetensors")
    accuracy.append(_top1(tmp_path / "features"))
    assert accuracy[0] > 0.5
    assert accuracy[1] == pytest.approx(1 - accuracy[0])


def _top1(folder: Path) -> float:
    result = susx.evaluate(folder, methods=["zero_shot"], tuning=["fixed"])
    return float(result.rows[0].top1)
