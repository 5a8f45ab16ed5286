"""A classifier's folder after damage, mix-ups and forgery: the classifier that was saved, or one paragraph."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import struct
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from susx.classifier import Classifier, ClassifierFacts, read_classifier, save_classifier
from susx.classifier.classifier_description import JSON, STATE, SUPPORT, TABLE, Description
from susx.classifier.predict import as_record
from susx.encoder_id import EncoderId
from susx.errors import DamagedArtefact, InputError, MismatchError, SusxError
from susx.methods import METHODS, Evidence, ImageFeatures, Need
from susx.methods.state import Fitted
from susx.records import SupportRow
from susx.store import digest_file

NAMES = ("cat", "dog", "eel")
FILES = (JSON, STATE, SUPPORT, TABLE)


def unit(seed: int, rows: int, dim: int = 8) -> torch.Tensor:
    return torch.nn.functional.normalize(
        torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed))
    )


def save(folder: Path, method: str = "tip_x") -> Path:
    labels = torch.tensor([0, 0, 1, 2])
    support = unit(1, 4)
    fitted = Fitted.of(METHODS[method](), Evidence(unit(0, 3), 100.0, support, labels))
    rows = [SupportRow(NAMES[i], f"{i}.jpg", "", "generated", "a prompt") for i in labels.tolist()]
    facts = ClassifierFacts(NAMES, EncoderId("susx-tiny", "d" * 64), dataset="d", toy=True)
    return save_classifier(folder, facts, fitted, support_features=support, support_rows=rows)


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    """A classifier that nobody touches."""
    return save(tmp_path_factory.mktemp("c") / "classifier")


@pytest.fixture
def folder(original, tmp_path) -> Path:
    """A copy to be spoilt."""
    return shutil.copytree(original, tmp_path / "classifier")


def values(folder: Path) -> list:
    """Everything that a loaded classifier holds, comparable."""
    stored = read_classifier(folder)
    parts = [*vars(stored.state).items(), ("support", stored.support), ("zero shot", stored.zero_shot.text)]
    tensors = {n: v.tolist() if isinstance(v, torch.Tensor) else v for n, v in parts}
    return [stored.facts, stored.method, tensors, stored.rows]


def forge(folder: Path) -> None:
    """Write the digests anew, as somebody would who means it."""
    path = folder / JSON
    try:
        data = json.loads(path.read_text())
        data["files"] = {name: digest_file(folder / name) for name in FILES[1:] if (folder / name).exists()}
        path.write_text(json.dumps(data))
        path.write_text(Description.model_validate_json(path.read_text()).sealed().model_dump_json())
    except (ValueError, TypeError):
        return  # its description is beyond repair


def edit_json(folder: Path, *keys: str, value: object) -> None:
    data = json.loads((folder / JSON).read_text())
    inner = data
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    (folder / JSON).write_text(json.dumps(data))


def edit_tensors(folder: Path, file: str, change) -> None:
    from safetensors import safe_open

    with safe_open(folder / file, framework="pt") as opened:
        metadata = opened.metadata()
    tensors = load_file(folder / file)
    change(tensors)
    save_file(tensors, folder / file, metadata=metadata)


@st.composite
def spoilt(draw, data: bytes) -> bytes:
    """Bytes that differ from ``data`` in a place or two."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(0, len(changed) - 1)))
        what = draw(st.sampled_from(["set", "cut", "insert", "delete", "double"]))
        if what == "set" and changed:
            changed[place] = draw(st.integers(0, 255))
        elif what == "cut":
            del changed[place:]
        elif what == "insert":
            changed[place:place] = draw(
                st.binary(min_size=1, max_size=8) | st.sampled_from([b"NaN", b"null", b"[", b'"'])
            )
        elif what == "delete":
            del changed[place : place + draw(st.integers(1, 20))]
        else:
            changed[place:place] = changed[place : place + 20]
    return bytes(changed)


@pytest.mark.parametrize("forged", [False, True])
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_any_change_of_any_file_is_refused_or_means_nothing(original, forged, data):
    """Damage gives a SusxError or an equal classifier; forgery a SusxError or one that answers in probabilities."""
    name = data.draw(st.sampled_from(FILES))
    content = data.draw(spoilt((original / name).read_bytes()))
    with tempfile.TemporaryDirectory() as temporary:
        folder = shutil.copytree(original, Path(temporary) / "c")
        (folder / name).write_bytes(content)
        if forged:
            forge(folder)
        with suppress(SusxError):
            found = values(folder)
            if forged:
                _answers(folder)
            else:
                assert repr(found) == repr(values(original))


def _answers(folder: Path) -> None:
    classifier = Classifier(read_classifier(folder))
    features = ImageFeatures(classifier.stored.zero_shot.text[:1])
    (prediction,) = classifier.predict_features(["a"], features, top_k=99)
    assert math.isclose(sum(s.probability for s in prediction.classes), 1, abs_tol=1e-4)
    json.dumps(as_record(prediction, classifier.about), allow_nan=False)


def nan(tensors):
    name = next(n for n, t in tensors.items() if t.is_floating_point())
    tensors[name].view(-1)[0] = math.nan


@pytest.mark.parametrize("method", [name for name, kind in METHODS.items() if kind.needs <= {Need.SUPPORT}])
@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_state_that_is_not_finite_is_refused(tmp_path, method, number):
    """Whichever method and tensor: no probability is ever NaN."""
    folder = save(tmp_path / "c", method)
    with_state = load_file(folder / STATE)
    floating = [name for name, tensor in with_state.items() if tensor.is_floating_point() and tensor.numel()]
    assert floating
    for name in floating:
        shutil.copytree(folder, tmp_path / name)
        edit_tensors(tmp_path / name, STATE, lambda t, n=name: t[n].view(-1)[:1].fill_(number))
        forge(tmp_path / name)
        with pytest.raises(InputError, match="not finite"):
            read_classifier(tmp_path / name)


MALFORMED = {
    "class names are no list": ("class_names", 5),
    "a class name is a number": ("class_names", ["cat", "dog", 3]),
    "no class names": ("class_names", []),
    "an unknown key": ("surprise", 1),
    "the temperature is 0": ("calibration", {"temperature": 0.0, "on": ""}),
    "the temperature is NaN": ("calibration", {"temperature": math.nan, "on": ""}),
    "the temperature is a word": ("calibration", {"temperature": "1.0", "on": ""}),
    "the encoder is null": ("encoder", None),
    "the encoder has another key": ("encoder", {"config": {"model": "susx-tiny", "evil": 1}, "digest": "d"}),
    "files outside the folder": ("files", {STATE: "d" * 64, "../../etc/passwd": "d" * 64}),
    "no files": ("files", {}),
    "a digest that is none": ("files", {STATE: "d"}),
    "another method": ("method", {"name": "tip_adapter", "hyper_parameters": {}}),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_description_is_one_paragraph_that_names_the_file(folder, kind):
    """Whatever is wrong with its schema."""
    key, value = MALFORMED[kind]
    edit_json(folder, key, value=value)
    if key != "files":
        forge(folder)
    with pytest.raises(SusxError, match=JSON):
        read_classifier(folder)


def test_files_that_were_not_written_together_are_refused(folder, original, tmp_path):
    """An altered state, one that is not listed, a support file that appeared, files of two classifiers."""
    (folder / STATE).write_bytes((save(tmp_path / "other", "tip_adapter") / STATE).read_bytes())
    with pytest.raises(DamagedArtefact, match=f"{STATE} is altered"):
        read_classifier(folder)
    forge(folder)
    with pytest.raises(MismatchError, match="describes another method"):
        read_classifier(folder)
    shutil.copytree(original, folder, dirs_exist_ok=True)
    data = json.loads((folder / JSON).read_text())
    del data["files"][STATE]
    (folder / JSON).write_text(Description.model_validate_json(json.dumps(data)).sealed().model_dump_json())
    with pytest.raises(InputError, match="does not list the files"):
        read_classifier(folder)
    known = read_classifier(original)
    bare = save_classifier(tmp_path / "bare", known.facts, known.fitted)
    shutil.copy(original / SUPPORT, bare)
    with pytest.raises(DamagedArtefact, match=f"{SUPPORT} is not among the files"):
        read_classifier(bare)


FORGED = {
    "a row with a word for a number": (TABLE, lambda data: data.replace(b'"width": 0', b'"width": "x"')),
    "a row with a list for a prompt": (TABLE, lambda data: data.replace(b'"a prompt"', b"[]")),
    "a row short": (TABLE, lambda data: data[: data.rindex(b"{")]),
    "a row of another kind": (TABLE, lambda data: b"[1]\n" + data),
    "a table of nested lists": (TABLE, lambda data: b"[" * 100_000),
    "a header beyond the file": (STATE, lambda data: struct.pack("<Q", 1 << 60) + data[8:]),
    "pickle": (STATE, lambda data: b"\x80\x04cos\nsystem\n."),
    "a support file of another kind": (SUPPORT, lambda data: b"{}"),
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_file_is_one_paragraph_that_names_it(folder, kind):
    """With digests that fit."""
    name, change = FORGED[kind]
    before = (folder / name).read_bytes()
    (folder / name).write_bytes(change(before))
    assert (folder / name).read_bytes() != before
    forge(folder)
    with pytest.raises(SusxError) as caught:
        read_classifier(folder)
    assert str(folder) in str(caught.value)


def test_forged_tensors_are_refused(folder, original):
    """Another width, another number of classes, whole numbers for real ones, features that are not finite."""
    changes = [
        (
            STATE,
            lambda t: t.update(
                {n: x[..., :5].contiguous() for n, x in t.items() if x.ndim == 2 and "text" in n}
            ),
        ),
        (STATE, lambda t: t.update({n: x.int() for n, x in t.items()})),
        (STATE, lambda t: t.pop("state.text")),
        (SUPPORT, nan),
        (SUPPORT, lambda t: t.update(image=t["image"][:, :5].contiguous())),
        (SUPPORT, lambda t: t.update(image=t["image"][:2].contiguous())),
        (SUPPORT, lambda t: t.pop("image")),
    ]
    for name, change in changes:
        shutil.copytree(original, folder, dirs_exist_ok=True)
        edit_tensors(folder, name, change)
        forge(folder)
        with pytest.raises(SusxError) as caught:
            read_classifier(folder)
        assert str(folder) in str(caught.value)


def test_a_classifier_is_read_as_it_was_saved(folder):
    """The helper of these tests sees everything; a copy is equal."""
    stored = read_classifier(folder)
    assert dataclasses.asdict(stored.facts)["class_names"] == NAMES
    forge(folder)
    assert repr(values(folder)) == repr([stored.facts, stored.method, values(folder)[2], stored.rows])
