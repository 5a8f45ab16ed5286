"""None of these: the threshold travels with the classifier, and predict, serve and export say the same."""

from __future__ import annotations

import csv
import dataclasses
import io
import json

import numpy as np
import onnxruntime
import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image

from susx.classifier import load_classifier, read_classifier, save_classifier
from susx.classifier.classifier_description import read_description
from susx.classifier.export_classifier import export_onnx
from susx.classifier.predict import as_record
from susx.classifier.serve import create_app
from susx.classifier.service_limits import Limits
from susx.cli import main
from susx.errors import InputError
from susx.evaluation import Rejection


@pytest.fixture(scope="module")
def pictures(class_names, draw):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return [draw(name, 3) for name in class_names] + [
        Image.new("RGB", (64, 64), "white"),
        Image.fromarray(noise),
    ]


@pytest.fixture(scope="module")
def rejecting(classifier_folder, tmp_path_factory, pictures):
    """A classifier with a threshold between the textures and what is none of them, at a share of 0.05."""
    stored = read_classifier(classifier_folder)
    rows = load_classifier(classifier_folder).encode(pictures).pooled
    similarity = (rows @ stored.zero_shot.text.T).amax(dim=1)
    between = float(similarity.sort().values[1:3].mean())
    rejection = Rejection((-1.0, between, 1.0), (1.0, 0.05, 0.0), (1.0, 0.9, 0.0), 0.4, 30, 300)
    facts = dataclasses.replace(stored.facts, rejection=rejection)
    folder = tmp_path_factory.mktemp("rejecting") / "classifier"
    save_classifier(folder, facts, stored.fitted, support_features=stored.support, support_rows=stored.rows)
    return folder, (similarity < between).tolist()


def test_it_is_read_as_it_was_written(rejecting, classifier_folder):
    """And a classifier without one says so."""
    folder, _ = rejecting
    assert read_classifier(folder).facts.rejection.thresholds[0] == -1.0
    description = read_description(classifier_folder)
    assert description.facts.rejection is None
    assert description.sealed().digest == description.digest


def test_curves_of_different_lengths_are_refused(rejecting, tmp_path):
    """As any other description that cannot be."""
    text = json.loads((rejecting[0] / "classifier.json").read_text())
    text["facts"]["rejection"]["kept"] = [1.0]
    (tmp_path / "classifier.json").write_text(json.dumps(text))
    with pytest.raises(InputError, match="different lengths"):
        read_description(tmp_path)


def test_images_below_the_threshold_are_none_of_these(rejecting, pictures):
    """By the share asked for; without one nothing is said."""
    folder, expected = rejecting
    found = load_classifier(folder, reject=0.05).predict(pictures)
    assert [p.none_of_these for p in found] == expected
    assert 0 < sum(expected) < len(expected)
    assert {p.none_of_these for p in load_classifier(folder).predict(pictures)} == {None}


def test_the_command_says_so(rejecting, pictures, tmp_path):
    """In both forms, and only where it was asked."""
    folder, expected = rejecting
    for number, picture in enumerate(pictures):
        picture.save(tmp_path / f"{number:02d}.png")
    ask = ["predict", str(tmp_path), "--classifier", str(folder)]
    main([*ask, "--reject", "0.05", "--out", str(tmp_path / "said.jsonl")])
    records = [json.loads(line) for line in (tmp_path / "said.jsonl").read_text().splitlines()]
    assert [record["none_of_these"] for record in records] == expected
    main([*ask, "--reject", "0.05", "--format", "csv", "--out", str(tmp_path / "said.csv")])
    rows = list(csv.DictReader(io.StringIO((tmp_path / "said.csv").read_text())))
    assert [row["none_of_these"] == "yes" for row in rows] == expected
    main([*ask, "--out", str(tmp_path / "silent.jsonl")])
    assert "none_of_these" not in (tmp_path / "silent.jsonl").read_text()


def test_the_exported_graph_says_the_same(rejecting, pictures, tmp_path):
    """As a third output, whatever the features' length."""
    folder, expected = rejecting
    export_onnx(read_classifier(folder), tmp_path / "c.onnx", reject=0.05)
    session = onnxruntime.InferenceSession(str(tmp_path / "c.onnx"), providers=["CPUExecutionProvider"])
    rows = 3 * load_classifier(folder).encode(pictures).pooled
    (said,) = session.run(["none_of_these"], {"features": rows.numpy()})
    assert said.tolist() == expected
    assert torch.tensor(said).dtype == torch.bool


def test_without_a_captioned_pool_it_is_refused(classifier_folder, tmp_path, capsys):
    """In a paragraph that says what to build; nothing is written."""
    with pytest.raises(InputError, match="built without a pool whose captions"):
        load_classifier(classifier_folder, reject=0.05)
    for command in (
        ["predict", str(tmp_path)],
        ["export", "--format", "onnx", "--out", str(tmp_path / "c.onnx")],
    ):
        with pytest.raises(SystemExit):
            main([*command, "--classifier", str(classifier_folder), "--reject", "0.05"])
        assert "none of its classes" in " ".join(capsys.readouterr().err.split())
    assert list(tmp_path.iterdir()) == []


def test_the_service_says_so(rejecting, pictures):
    """In each answer; a service without a share leaves it open."""
    folder, expected = rejecting
    for reject, said in ((0.05, expected), (None, [None] * len(expected))):
        app = create_app(load_classifier(folder, reject=reject), Limits())
        with TestClient(app) as client:
            for picture, outside in zip(pictures[-3:], said[-3:], strict=True):
                stream = io.BytesIO()
                picture.save(stream, "png")
                answer = client.post(
                    "/predict", content=stream.getvalue(), headers={"content-type": "image/png"}
                )
                assert answer.status_code == 200
                assert answer.json()["none_of_these"] is outside


def test_sigmoid_encoders_say_how_well_each_class_fits(classifier_folder, pictures, monkeypatch):
    """Sigmoid of scaled cosine and bias, beside probabilities that stay what they are; others say nothing of it."""
    loaded = load_classifier(classifier_folder)
    plain = loaded.predict(pictures[:2], top_k=8)
    assert all(scored.match is None for prediction in plain for scored in prediction.classes)
    monkeypatch.setattr(loaded.encoder, "logit_bias", -12.0)
    rows = loaded.encode(pictures[:2]).pooled
    cosines = rows @ loaded.stored.zero_shot.text.T
    expected = torch.sigmoid(loaded.encoder.logit_scale * cosines - 12.0)
    found = loaded.predict(pictures[:2], top_k=8)
    for number, prediction in enumerate(found):
        assert [s.probability for s in prediction.classes] == [s.probability for s in plain[number].classes]
        for scored in prediction.classes:
            column = loaded.class_names.index(scored.class_name)
            assert scored.match == pytest.approx(float(expected[number, column]), abs=1e-5)
        assert {"class_name", "probability", "match"} == set(as_record(prediction, loaded.about)["top"][0])
