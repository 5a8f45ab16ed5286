"""Fewer bits: smaller files of standard operators, what they change is measured and said, and refused where it is too much."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from susx.bundle import load_bundle
from susx.bundle.lost import drawn_to_compare
from susx.bundle.support_pictures import Shown, from_folder
from susx.bundle.write_bundle import export_bundle
from susx.cli import main
from susx.errors import ConfigError, InputError, MismatchError


@pytest.fixture(scope="module")
def photos(draw, class_names, tmp_path_factory) -> Path:
    """Labelled pictures of another draw than the support, in folders of class names."""
    folder = tmp_path_factory.mktemp("labelled")
    for name in class_names:
        (folder / name).mkdir()
        for i in range(15):
            draw(name, 100 + i).save(folder / name / f"{i}.png")
    return folder


@pytest.mark.parametrize(("bits", "share"), [("int8", 0.6), ("fp16", 0.7)])
def test_the_file_is_smaller_and_the_loss_is_said(
    bits, share, classifier_folder, bundle_folder, photos, tmp_path, capsys
):
    """By the command: agreement and both accuracies with their intervals, in the output, the description and the notes."""
    main(["export", "--classifier", str(classifier_folder), "--format", "bundle", "--out", str(tmp_path / "b"),
          "--quantize", bits, "--images", str(photos), "--force"])  # fmt: skip
    said = capsys.readouterr().out
    kept, n = map(int, re.findall(r"(\d+) of (\d+) labelled photographs keep their class", said)[0])
    assert n == 120
    assert kept >= 0.95 * n
    assert re.search(r"top-1 [\d.]+ %, 95 % interval [\d.]+ to [\d.]+, in single precision [\d.]+ %", said)
    sizes = [
        sum(path.stat().st_size for path in folder.glob("image.*"))
        for folder in (tmp_path / "b", bundle_folder)
    ]
    assert sizes[0] < share * sizes[1]
    assert not (tmp_path / "b" / "image.onnx.data").exists()
    bundle, plain = load_bundle(tmp_path / "b"), load_bundle(bundle_folder)
    files = sorted(photos.rglob("*.png"))
    same = [
        a.classes[0].class_name == b.classes[0].class_name
        for a, b in zip(bundle.predict(files, top_k=1), plain.predict(files, top_k=1), strict=True)
    ]
    assert sum(same) == kept
    assert any(f"{bits} (" in note for note in bundle.about.notes)
    told = json.loads((tmp_path / "b/bundle.json").read_text())
    assert told["quantised"]["to"] == bits


def test_too_many_changed_answers_are_refused(load, tmp_path, monkeypatch):
    """Nothing is written; by force it is, and says so."""
    import susx.bundle.lost as lost

    monkeypatch.setattr(lost, "LEAST", 1.01)
    with pytest.raises(MismatchError, match=r"keep their class .*nothing was written"):
        export_bundle(load("torch"), tmp_path / "b", quantise="int8")
    assert list(tmp_path.iterdir()) == []


def test_the_pictures_are_those_that_were_given(photos, class_names, tmp_path):
    """Folders of class names give labels, other folders none; a folder of nothing readable is refused."""
    shown = from_folder(photos, class_names)
    assert (shown.of, len(shown.pictures), len(shown.labels)) == ("labelled photographs", 120, 120)
    assert from_folder(photos, class_names[:3]) == Shown("photographs", shown.pictures)
    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match="can be decoded"):
        from_folder(tmp_path, class_names)
    assert len(drawn_to_compare().pictures) == 256


@pytest.mark.parametrize(
    "words",
    [["--format", "onnx", "--out", "x.onnx", "--quantize", "int8"], ["--out", "x.onnx", "--images", "."]],
)
def test_options_without_effect_are_refused(words, classifier_folder, capsys):
    """They go with bundles."""
    with pytest.raises(SystemExit):
        main(["export", "--classifier", str(classifier_folder), *words])
    assert "has no effect" in capsys.readouterr().err


def test_weights_beyond_one_protobuf_are_refused(load, tmp_path, monkeypatch):
    """What the quantiser cannot hold is said before it is tried; nothing is written."""
    import susx.bundle.quantise as quantise

    monkeypatch.setattr(quantise, "_LARGEST", 1_000_000)
    with pytest.raises(ConfigError, match="more than 2 GB are not quantised"):
        export_bundle(load("torch"), tmp_path / "b", quantise="int8", force=True)
    assert list(tmp_path.iterdir()) == []
