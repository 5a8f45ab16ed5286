"""A folder labelled by a bundle: on numpy, the labels that torch gives; tables and page; what cannot be is a paragraph."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from susx.bundle import load_bundle
from susx.bundle.folder_fit import FILE, read_fit
from susx.bundle.write_bundle import export_bundle
from susx.classifier import Classifier, load_classifier, read_classifier
from susx.errors import ConfigError, InputError, StoreError
from susx.labelling import LabelResult
from susx.labelling.corrections import read_corrections
from susx.labelling.judge import label_columns
from susx.labelling.of_bundle import check_out, label_photographs
from susx.methods import METHODS
from tests.bundle.conftest import sealed_again
from tests.classifier.conftest import (  # noqa: F401
    build_classifier,
    bundle_folder,
    class_names,
    classifier_folder,
    draw,
    load,
)

WATCHED = """
import atexit, json, sys
heavy = ("torch", "pandas", "scipy", "safetensors", "open_clip", "prefect", "imagehash", "yaml")
atexit.register(lambda: print("LOADED", json.dumps([n for n in heavy if n in sys.modules]), file=sys.stderr))
from susx.cli import main
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def photos(draw, class_names, tmp_path_factory) -> Path:  # noqa: F811
    """Forty-eight textures of a domain that the support images are not of, a copy of one, a broken file and a text."""
    folder = tmp_path_factory.mktemp("folder") / "photos"
    (folder / "below").mkdir(parents=True)
    for name in class_names:
        for number in range(6):
            draw(name, number).save(folder / ("below" if number % 2 else ".") / f"{name}-{number}.png")
    shutil.copy(folder / "grid-0.png", folder / "=twin.png")
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("x")
    return folder


@pytest.fixture(scope="module")
def labels(bundle_folder, photos):  # noqa: F811
    return label_photographs(load_bundle(bundle_folder), photos)


def test_labels_are_those_of_torch(labels, bundle_folder, photos):  # noqa: F811
    """The same fit as tensors gives the same classes and shares; most labels are right."""
    bundle = load_bundle(bundle_folder)
    fit = read_fit(bundle.stored)
    tensors = {
        field.name: torch.from_numpy(value)
        if isinstance(value := getattr(fit, field.name), np.ndarray)
        else value
        for field in dataclasses.fields(fit)
    }
    order = np.argsort(labels.columns["digest"].astype(str))
    digests = labels.columns["digest"][order]
    rows = bundle.encode([photos / path for path in labels.columns["path"][order]]).pooled
    expected, estimate = label_columns(
        type(fit)(**tensors), rows, digests, labels.columns["group"][order], bundle.class_names, {}
    )
    assert labels.columns["label"][order].tolist() == expected["label"].tolist()
    for name in ("probability", "second_probability", "none_of_these"):
        assert np.abs(labels.columns[name][order] - expected[name]).max() < 1e-4
    assert labels.record.estimated_accuracy == pytest.approx(estimate.value, abs=1e-4)
    right = [Path(row["path"]).name.startswith(row["label"]) for row in labels.rows()]
    assert np.mean(right) > 0.7


def test_a_file_that_lies_there_twice_counts_once_and_what_is_broken_has_its_reason(labels):
    """Twins share digest, group and label."""
    rows = {row["path"]: row for row in labels.rows()}
    assert len(rows) == 49
    assert {k: v for k, v in rows["=twin.png"].items() if k != "path"} == {
        k: v for k, v in rows["grid-0.png"].items() if k != "path"
    }
    assert labels.left_out == {"broken.png": "not-an-image"}


def test_the_command_runs_without_torch(bundle_folder, photos, tmp_path, class_names):  # noqa: F811
    """Tables, record and page; labels that a person gave stay; the result can be read where pandas is."""
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-c",
        WATCHED,
        "label",
        str(photos),
        "--bundle",
        str(bundle_folder),
        "--out",
        str(out),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "LOADED []" in done.stderr
    assert "Estimated accuracy" in done.stdout
    assert {path.name for path in out.iterdir()} == {
        "labels.csv", "labels.jsonl", "labels.json", "left_out.csv", "report.html",
    }  # fmt: skip
    table = list(csv.DictReader((out / "labels.csv").open()))
    assert {row["path"] for row in table} >= {"'=twin.png", os.path.join("below", "grid-1.png")}
    page = (out / "report.html").read_text()
    assert "most doubtful" in page
    assert page.count("data:image/jpeg") > 20
    assert "95 % interval" not in page
    result = LabelResult.read(out)
    assert len(result) == 49
    assert result.left_out == {"broken.png": "not-an-image"}
    with pytest.raises(StoreError, match="made from a bundle, which keeps no features"):
        result.features()
    (out / "corrections.csv").write_text("path,label\ngrid-0.png,lattice\ndotted-0.png,\n")
    again = label_photographs(load_bundle(bundle_folder), photos, corrections=read_corrections(out))
    rows = {row["path"]: row for row in again.rows()}
    assert again.record.classes == (*class_names, "lattice")
    assert (rows["grid-0.png"]["label"], rows["=twin.png"]["label"], rows["dotted-0.png"]["label"]) == (
        "lattice", "lattice", "",
    )  # fmt: skip
    assert rows["grid-0.png"]["by_person"] is True


def test_places_for_the_result_are_refused_before_any_work(photos, tmp_path):
    """The folder itself, a file, something else's folder, labels of a store."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    (tmp_path / "stored").mkdir()
    record = {
        "classes": ["a"],
        "folder": "f",
        "encoder": {"model": "e", "digest": "d"},
        "store": "susx-store",
    }
    (tmp_path / "stored" / "labels.json").write_text(json.dumps(record))
    for out, said in (("file", "is a file"), ("other", "holds no labels"), ("stored", "made with a store")):
        with pytest.raises(InputError, match=said):
            check_out(tmp_path / out, photos)
    with pytest.raises(InputError, match=r"holds no labels|itself"):
        check_out(photos, photos)
    check_out(tmp_path / "new", photos)


def test_a_folder_of_nothing_readable_is_one_paragraph(bundle_folder, tmp_path):  # noqa: F811
    """Nothing there, nothing that is a picture, no folder."""
    bundle = load_bundle(bundle_folder)
    with pytest.raises(InputError, match="is not there"):
        label_photographs(bundle, tmp_path / "none")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InputError, match="holds no images"):
        label_photographs(bundle, tmp_path)
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"None of the 1 photographs .*1 not-an-image"):
        label_photographs(bundle, tmp_path)


@pytest.mark.parametrize("name", ["whitened_prototypes", "zero_shot"])
def test_what_the_classifier_knows_comes_along(name, build_classifier, tmp_path, photos):  # noqa: F811
    """Its own prototypes where it has them; of another method with support, a fit on that."""
    folder = build_classifier(tmp_path / "c", METHODS[name]())
    export_bundle(load_classifier(folder), tmp_path / "b")
    fit = read_fit(load_bundle(tmp_path / "b").stored)
    stored = read_classifier(folder)
    if name == "whitened_prototypes":
        assert np.allclose(fit.prototypes, stored.state.prototypes.numpy(), atol=1e-5)
    rows = label_photographs(load_bundle(tmp_path / "b"), photos).rows()
    assert np.mean([Path(row["path"]).name.startswith(row["label"]) for row in rows]) > 0.7


def test_without_support_images_a_folder_is_refused(load, tmp_path, photos):  # noqa: F811
    """Says what works instead."""
    stored = load("torch").stored
    export_bundle(Classifier(dataclasses.replace(stored, support=None, rows=())), tmp_path / "b")
    with pytest.raises(ConfigError, match=r"without support images.*susx predict --bundle"):
        label_photographs(load_bundle(tmp_path / "b"), photos)


@pytest.mark.parametrize("damage", ["garbage", "a field less", "of another width", "not finite", "pickled"])
def test_what_a_stranger_wrote_in_its_place_is_refused(damage, bundle_folder, tmp_path):  # noqa: F811
    """Under right digests."""
    folder = Path(shutil.copytree(bundle_folder, tmp_path / "b"))
    with np.load(folder / FILE) as file:
        arrays = {name: file[name] for name in file.files}
    if damage == "a field less":
        del arrays["offset"]
    elif damage == "of another width":
        arrays["mean"] = arrays["mean"][:-1]
    elif damage == "not finite":
        arrays["matrix"] = arrays["matrix"] * np.nan
    elif damage == "pickled":
        arrays["mean"] = np.array([{}], dtype=object)
    np.savez(folder / FILE, **arrays)
    if damage == "garbage":
        (folder / FILE).write_bytes(b"no archive")
    sealed_again(folder)
    with pytest.raises(InputError, match=r"folder\.npz does not hold"):
        read_fit(load_bundle(folder).stored)
