"""A bundle answers as the classifier it was made of, without torch."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from susx.bundle import Bundle, load_bundle, read_bundle
from susx.bundle.check_pictures import drawn_pictures
from susx.bundle.write_bundle import export_bundle
from susx.classifier import Classifier, load_classifier, read_classifier
from susx.classifier.predict import as_record
from susx.errors import ConfigError, InputError, ModelError, StoreError
from susx.methods import METHODS, Method, Need
from susx.rejection import Rejection

CODE = "import sys; from susx.cli import main; main(sys.argv[1:])"
WATCHED = """
import atexit, json, sys
atexit.register(lambda: print("LOADED", json.dumps([n for n in json.loads(sys.argv[1]) if n in sys.modules]), file=sys.stderr))
from susx.cli import main
main(sys.argv[2:])
"""
HEAVY = ("torch", "torchvision", "open_clip", "transformers", "diffusers", "prefect", "pandas", "pyarrow", "scipy", "sklearn",
         "numba", "faiss", "safetensors", "onnx", "timm", "openai", "requests", "psutil", "fsspec", "plotly", "yaml")  # fmt: skip


def run(
    *arguments: object, code: str = CODE, first: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *first, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def pictures(draw, class_names):
    return [*(draw(name, i) for name in class_names for i in range(2)), *drawn_pictures(16, seed=5)]


def test_answers_are_those_of_the_classifier(load, pictures):
    """Classes, probabilities, nearest images and all that is said with them."""
    folder, bundle = load("torch"), load("onnx", batch_size=7)
    assert dataclasses.asdict(bundle.about) == dataclasses.asdict(folder.about)
    expected, found = (
        folder.predict(pictures, top_k=8, explain=4),
        bundle.predict(pictures, top_k=8, explain=4),
    )
    for one, other in zip(found, expected, strict=True):
        a, b = as_record(one, bundle.about), as_record(other, folder.about)
        assert [s["class_name"] for s in a["top"][:1]] == [s["class_name"] for s in b["top"][:1]]
        shares = {s["class_name"]: s["probability"] for s in b["top"]}
        assert {s["class_name"]: pytest.approx(s["probability"], abs=1e-4) for s in a["top"]} == shares
        assert [n["similarity"] for n in a["nearest"]] == pytest.approx(
            [n["similarity"] for n in b["nearest"]], abs=1e-5
        )
        assert a["nearest"][0] | {"similarity": 0} == b["nearest"][0] | {"similarity": 0}
        assert {k: v for k, v in a.items() if k not in {"top", "nearest", "probability"}} == {
            k: v for k, v in b.items() if k not in {"top", "nearest", "probability"}
        }


def test_of_nothing_nothing_is_said(load):
    """No images; numbers that mean nothing."""
    bundle = load("onnx")
    assert bundle.predict([]) == []
    assert len(bundle.encode([]).pooled) == 0
    with pytest.raises(InputError, match="top_k"):
        bundle.predict(drawn_pictures(1), top_k=0)
    with pytest.raises(InputError, match="batch_size"):
        load("onnx", batch_size=0)
    few = load("onnx", few=True).predict(drawn_pictures(1), top_k=1)[0]
    (same,) = bundle.predict(drawn_pictures(1), top_k=1)
    assert few.classes[0].class_name == same.classes[0].class_name
    assert few.classes[0].probability == pytest.approx(same.classes[0].probability, abs=1e-5)
    with pytest.raises(ModelError, match=r"sees no CUDA"):
        load("onnx", device="cuda:0")
    with pytest.raises(ModelError, match="'abacus' is not a device"):
        load("onnx", device="abacus")


@pytest.fixture(scope="module")
def another(classifier_folder, build_classifier, tmp_path_factory):
    """A classifier of a linear method that knows outsiders, and its bundle: (classifier, folder)."""
    folder = build_classifier(
        tmp_path_factory.mktemp("another") / "classifier", METHODS["whitened_prototypes"]()
    )
    stored = read_classifier(folder)
    rejection = Rejection((0.1, 0.6, 0.8), (0.5, 0.1, 0.01), (1.0, 0.9, 0.5), 0.4, 50, 200)
    facts = dataclasses.replace(
        stored.facts, rejection=rejection, calibrated_on="val", calibration_images=200
    )
    classifier = Classifier(dataclasses.replace(stored, facts=facts, support=None, rows=()), reject=0.1)
    export_bundle(classifier, folder.parent / "bundle")
    return classifier, folder.parent / "bundle"


def test_a_threshold_and_no_support_come_along(another, pictures):
    """The same images are none of the classes; without support images nothing explains."""
    classifier, folder = another
    bundle = load_bundle(folder, reject=0.1)
    assert not (folder / "support.npy").exists()
    expected, found = classifier.predict(pictures), bundle.predict(pictures)
    assert [p.none_of_these for p in found] == [p.none_of_these for p in expected]
    assert {p.none_of_these for p in found} == {True, False}
    assert all(p.neighbours == () for p in found)
    assert bundle.about.calibrated_on == "val"
    with pytest.raises(InputError, match="between 0 and 1"):
        load_bundle(folder, reject=2)


def test_without_outsiders_a_threshold_is_refused(load):
    """As of the classifier."""
    with pytest.raises(InputError, match="knows nothing of images that are none of its classes"):
        load("onnx", reject=0.1)


def test_sigmoid_encoders_say_how_well_each_class_fits(bundle_folder, pictures):
    """Sigmoid of scaled cosine and bias, also where the exponential would overflow."""
    stored = read_bundle(bundle_folder)
    encoder = stored.description.encoder.model_copy(update={"logit_scale": 4000.0, "logit_bias": -12.0})
    told = stored.description.model_copy(update={"encoder": encoder})
    bundle = Bundle(dataclasses.replace(stored, description=told))
    cosines = (bundle.encode(pictures).pooled @ stored.classes.T).astype(np.float64)
    with np.errstate(over="ignore"):
        expected = 1 / (1 + np.exp(-(4000 * cosines - 12)))
    for number, prediction in enumerate(bundle.predict(pictures, top_k=8)):
        for scored in prediction.classes:
            column = bundle.class_names.index(scored.class_name)
            assert scored.match == pytest.approx(expected[number, column], abs=1e-6)


def test_methods_without_a_graph_are_refused_by_name(build_classifier, tmp_path):
    """Before the encoder is traced, and nothing is written."""
    folder = build_classifier(tmp_path / "c", METHODS["folder_prototypes"]())
    with pytest.raises(ConfigError, match="folder_prototypes"):
        export_bundle(load_classifier(folder), tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c"]


BEYOND = {
    Need.PATCHES: "looks at patch features",
    Need.ADAPTED: "compares features of an adapted encoder",
    Need.VIEWS: "looks at many views of an image",
    Need.QUERY_TEXT: "encodes the class prompts anew for every image",
}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_exported_or_refused_by_its_name(name, load, tmp_path):
    """Methods that look at more than an image's features, or at a whole folder, say so in one paragraph; nothing is written."""
    method = METHODS[name]()
    reasons = [said for need, said in BEYOND.items() if need in method.needs]
    reasons += [] if method.row_wise else ["mixes the rows of a batch"]
    stored = load("torch").stored
    if not reasons:
        # test_a_module_computes_the_logits exports nothing and asks all of these for their graph's module.
        assert method.row_wise
        assert type(method).module is Method.module
        return
    other = dataclasses.replace(stored, fitted=dataclasses.replace(stored.fitted, method=method))
    with pytest.raises(ConfigError) as caught:
        export_bundle(Classifier(other, device="cpu"), tmp_path / "out")
    said = str(caught.value)
    assert said.startswith(f"The method '{name}' {reasons[0]}")
    assert "susx predict or susx serve" in said or "whitened_prototypes" in said
    assert "\n" not in said
    assert list(tmp_path.iterdir()) == []


def test_two_bundles_at_once_and_a_report_of_one_are_refused(bundle_folder, capsys):
    """One paragraph each, which says how bundles of two encoders are compared."""
    from susx.cli import main

    both = ["--bundle", str(bundle_folder)] * 2
    for words, said in (
        (["predict", "a.png", *both], "--bundle is given 2 times and takes one value"),
        (["serve", *both], "--bundle is given 2 times and takes one value"),
        (["label", "photos", *both], "--bundle is given 2 times and takes one value"),
        (
            ["report", "compare", str(bundle_folder), str(bundle_folder)],
            "predict --bundle says of the same photographs",
        ),
    ):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2
        err = capsys.readouterr().err
        assert said in " ".join(err.split())
        assert "\n\n" not in err.strip()


def test_an_export_that_is_killed_leaves_no_bundle(classifier_folder, tmp_path):
    """The folder appears whole or not at all, and the next export is not in the way of what was left."""
    out = tmp_path / "bundle"
    words = ["export", "--classifier", str(classifier_folder), "--format", "bundle", "--out", str(out)]
    with subprocess.Popen([sys.executable, "-c", CODE, *words], stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while not any(tmp_path.rglob("head.onnx")) and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        assert process.poll() is None
        process.kill()
    assert not out.exists()
    done = run(*words)
    assert done.returncode == 0, done.stderr
    assert read_bundle(out).description.class_names


def test_what_is_there_is_not_written_over(load, bundle_folder, tmp_path):
    """Another folder never; a bundle by force, whole."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    for force in (False, True):
        with pytest.raises(StoreError, match="is no bundle"):
            export_bundle(load("torch"), tmp_path / "other", force=force)
    with pytest.raises(StoreError, match="--force"):
        export_bundle(load("torch"), bundle_folder)


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_the_command_writes_what_it_writes_of_a_classifier(
    form, classifier_folder, bundle_folder, draw, tmp_path
):
    """The same records and the same exit code, a broken image among them; no heavy library is imported."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(3):
        draw("grid", i).save(photos / f"{i}.png")
    (photos / "4.png").write_bytes(b"garbage")
    of_bundle = run(
        json.dumps(HEAVY), "predict", photos, "--bundle", bundle_folder, "--format", form, code=WATCHED
    )
    of_folder = run("predict", photos, "--classifier", classifier_folder, "--format", form)
    assert of_bundle.returncode == of_folder.returncode == 1, of_bundle.stderr
    rounded = [re.sub(r"(\d\.\d{3})\d+", r"\1", done.stdout) for done in (of_bundle, of_folder)]
    assert rounded[0] == rounded[1]
    assert json.loads(of_bundle.stderr.splitlines()[-1].removeprefix("LOADED ")) == []


def test_the_service_imports_nothing_heavy(bundle_folder, draw, tmp_path):
    """Started, asked and ended."""
    draw("grid", 0).save(tmp_path / "a.png")
    command = [
        sys.executable,
        "-c",
        WATCHED,
        json.dumps(HEAVY),
        "serve",
        "--bundle",
        str(bundle_folder),
        "--port",
        "0",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        url = next(found[0] for line in process.stderr if (found := re.findall(r"http://[\d.]+:\d+", line)))
        answer = httpx.post(
            f"{url}/predict", content=(tmp_path / "a.png").read_bytes(), timeout=60, trust_env=False
        )
        process.send_signal(signal.SIGTERM)
        last = process.stderr.read().splitlines()[-1]
    assert answer.status_code == 200
    assert json.loads(last.removeprefix("LOADED ")) == []


def test_one_of_both_is_given(classifier_folder, bundle_folder, capsys):
    """Both, none, and a bundle on torch are refused in a sentence."""
    from susx.cli import main

    for arguments, said in (
        (
            ["predict", "a.png", "--bundle", str(bundle_folder), "--classifier", str(classifier_folder)],
            "found both",
        ),
        (["serve", "--port", "0"], "found none"),
        (
            ["predict", "a.png", "--bundle", str(bundle_folder), "--runtime", "torch"],
            "holds no weights for torch",
        ),
        (["predict", "a.png", "--bundle", str(classifier_folder)], "susx export --format bundle"),
        (["predict", "a.png", "--classifier", str(bundle_folder)], "--bundle"),
    ):
        with pytest.raises(SystemExit):
            main(arguments)
        assert said in " ".join(capsys.readouterr().err.split()), arguments


def test_a_classifier_runs_on_onnxruntime_when_asked(classifier_folder, draw, tmp_path, monkeypatch):
    """It is exported once and kept; the answer is the bundle's."""
    from susx.bundle.kept import kept_bundle

    monkeypatch.setitem(os.environ, "SUSX_CACHE", str(tmp_path / "cache"))
    kept = kept_bundle(classifier_folder)
    assert tmp_path / "cache" in kept.parents
    before = (kept / "image.onnx").stat().st_mtime_ns
    assert kept_bundle(classifier_folder) == kept
    draw("grid", 1).save(tmp_path / "a.png")
    done = run(
        "predict", tmp_path / "a.png", "--classifier", classifier_folder, "--runtime", "onnx", "--top-k", 1
    )
    assert done.returncode == 0, done.stderr
    assert (kept / "image.onnx").stat().st_mtime_ns == before
    (expected,) = load_bundle(kept).predict([Path(tmp_path / "a.png")], top_k=1)
    assert json.loads(done.stdout)["class_name"] == expected.classes[0].class_name
