"""Other names through the bundle's own text tower: the library's tokens and its zero-shot answers, without torch."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from susx.bundle import load_bundle
from susx.bundle.names import encode_sentences, for_names
from susx.bundle.tokenize_texts import Sentences
from susx.bundle.tokens import TRIED
from susx.bundle.write_bundle import export_bundle
from susx.classifier import load_classifier
from susx.errors import InputError
from tests.bundle.test_bundle import HEAVY, WATCHED


@pytest.fixture(scope="module")
def with_text(classifier_folder, tmp_path_factory):
    """The bundle with its text tower."""
    out = tmp_path_factory.mktemp("text") / "bundle"
    export_bundle(load_classifier(classifier_folder), out, text=True)
    return out


def test_tokens_are_the_librarys(with_text, classifier_folder):
    """Of texts that need every step of the cleaning, and of those that are cut."""
    encoder = load_classifier(classifier_folder).encoder
    bundle = load_bundle(with_text)
    tokens = Sentences(with_text / "tokenizer.json", bundle.stored.description.text).tokens(TRIED)
    assert np.array_equal(tokens, encoder.tokenizer(list(TRIED)).numpy())
    rows = encode_sentences(bundle, TRIED)
    assert float((rows * encoder.encode_texts(list(TRIED)).numpy()).sum(axis=1).min()) >= 0.99999


def test_other_names_are_classified_by(with_text, draw):
    """Zero-shot by the scale of the encoder; support, threshold and calibration are no longer said."""
    bundle = load_bundle(with_text)
    names = ["striped", "dotted", "made of grids"]
    found = for_names(bundle, names, "{} texture.")
    classifier_rows = encode_sentences(bundle, [f"{name} texture." for name in names])
    pictures = [draw("dotted", i) for i in range(6)]
    expected = (100 * bundle.encode(pictures).pooled @ classifier_rows.T).argmax(axis=1)
    answers = found.predict(pictures)
    assert [p.classes[0].class_name for p in answers] == [names[i] for i in expected]
    assert all(len(p.classes) == 3 and p.neighbours == () for p in answers)
    assert sum(p.classes[0].class_name == "dotted" for p in answers) >= 5
    assert found.about.is_zero_shot
    assert found.about.calibrated_on == ""
    assert found.about.warning == bundle.about.warning


def test_the_command_takes_names_and_imports_nothing_heavy(with_text, draw, tmp_path):
    """From the line or a file with a name a line."""
    draw("dotted", 1).save(tmp_path / "a.png")
    (tmp_path / "names.txt").write_text("striped\ndotted\n")
    for names in ("striped, dotted", str(tmp_path / "names.txt")):
        words = [
            "predict",
            tmp_path / "a.png",
            "--bundle",
            with_text,
            "--names",
            names,
            "--sentence",
            "{} texture.",
        ]
        command = [sys.executable, "-c", WATCHED, json.dumps(HEAVY), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["class_name"] == "dotted"
        assert json.loads(done.stderr.splitlines()[-1].removeprefix("LOADED ")) == []


def test_names_that_mean_nothing_are_refused(with_text, bundle_folder):
    """None, one twice, no place for the name; a bundle without a text tower."""
    bundle = load_bundle(with_text)
    for names in ([], ["a", "a"], [" "]):
        with pytest.raises(InputError, match="each once"):
            for_names(bundle, names)
    with pytest.raises(InputError, match="where the name goes"):
        for_names(bundle, ["a"], "a photo")
    with pytest.raises(InputError, match="has no text tower"):
        for_names(load_bundle(bundle_folder), ["a"])
    (with_text / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match="is no tokenizer"):
        encode_sentences(bundle, ["a"])
