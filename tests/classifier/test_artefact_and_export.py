"""The classifier's folder, and what it is exported to."""

from __future__ import annotations

import json
from pathlib import Path

import onnxruntime
import pytest
import torch
from safetensors.torch import load_file

from susx.classifier import ClassifierFacts, load_classifier, read_classifier, save_classifier
from susx.classifier.export_classifier import check_onnx, export_onnx, export_open_clip_head
from susx.encoder_id import EncoderId
from susx.errors import ConfigError, DamagedArtefact, InputError, MismatchError, StoreError
from susx.methods import METHODS, Evidence, ImageFeatures
from susx.methods.registry import known_methods
from susx.methods.state import Fitted
from susx.records import SupportRow


def unit(generator, *shape):
    return torch.nn.functional.normalize(torch.randn(*shape, generator=generator), dim=-1)


def evidence(empty=(), classes=7, dim=16, shots=(1, 2, 3, 4, 5, 6, 7)):
    generator = torch.Generator().manual_seed(3)
    text = unit(generator, classes, dim)
    labels = torch.tensor([c for c in range(classes) if c not in empty for _ in range(shots[c])])
    support = torch.nn.functional.normalize(text[labels] + 0.5 * unit(generator, len(labels), dim), dim=1)
    return Evidence(text, 100.0, support, labels)


def facts(classes=7, **more):
    names = tuple(f'class {i} "é"' for i in range(classes))
    return ClassifierFacts(
        names,
        EncoderId("susx-tiny", "d" * 64),
        dataset="d",
        temperature=1.7,
        licences=("be nice",),
        **more,
    )


def stored(folder, method, given, **more):
    rows = [
        SupportRow(f"class {label}", f"{i}.jpg", "", "generated", "a prompt")
        for i, label in enumerate(given.support_labels.tolist())
    ]
    save_classifier(
        folder,
        facts(),
        Fitted.of(method, given),
        support_features=given.support_features,
        support_rows=rows,
        **more,
    )
    return read_classifier(folder)


METHODS_EXPORTED = [
    METHODS["zero_shot"](),
    METHODS["tip_adapter"](alpha=2.0, beta=4.0),
    METHODS["tip_adapter"](weighting="sum"),
    METHODS["tip_x"](alpha=1.5, beta=3.0, gamma=2.0),
    METHODS["tip_x"](gamma=10.0, temperature=0.05, weighting="sum"),
    METHODS["whitened_prototypes"](),
    METHODS["ape"](alpha=2.0),
    METHODS["gda"](),
    METHODS["proker"](),
]


@pytest.mark.parametrize("method", METHODS_EXPORTED, ids=str)
def test_a_classifier_survives_saving(tmp_path, method):
    """Loaded, it gives the same logits to the last bit, and the same facts and provenance."""
    given = evidence()
    query = ImageFeatures(unit(torch.Generator().manual_seed(9), 20, 16))
    loaded = stored(tmp_path / "c", method, given)
    assert torch.equal(loaded.method.logits(loaded.state, query), method.logits(method.fit(given), query))
    assert loaded.facts == facts()
    assert loaded.method == method
    assert loaded.rows[0].file == "0.jpg"
    assert len(loaded.rows) == len(loaded.support)


def test_saving_twice_gives_the_same_bytes(tmp_path):
    """The folder can be keyed by its content."""
    for name in "ab":
        stored(tmp_path / name, METHODS_EXPORTED[3], evidence())
    for file in sorted((tmp_path / "a").iterdir()):
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_an_existing_folder_is_safe(tmp_path):
    """A classifier is replaced with force only; somebody's folder never."""
    method, given = METHODS_EXPORTED[0], evidence()
    stored(tmp_path / "c", method, given)
    with pytest.raises(StoreError, match="holds a classifier already"):
        stored(tmp_path / "c", method, given)
    stored(tmp_path / "c", method, given, force=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/photo.jpg").write_text("x")
    with pytest.raises(StoreError, match="is no classifier"):
        stored(tmp_path / "mine", method, given, force=True)
    assert (tmp_path / "mine/photo.jpg").exists()
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize("file", ["classifier.safetensors", "support.safetensors", "support.jsonl"])
@pytest.mark.parametrize("damage", ["alter", "remove"])
def test_damage_is_noticed(tmp_path, file, damage):
    """Each file is verified by its digest."""
    stored(tmp_path / "c", METHODS_EXPORTED[1], evidence())
    path = tmp_path / "c" / file
    if damage == "alter":
        path.write_bytes(path.read_bytes()[:-1] + b"~")
    else:
        path.unlink()
    with pytest.raises(DamagedArtefact, match=f"{file} is {'altered' if damage == 'alter' else 'missing'}"):
        read_classifier(tmp_path / "c")


def test_other_folders_and_versions_are_refused(tmp_path):
    """An empty folder, broken JSON, a later format."""
    with pytest.raises(InputError, match="no classifier in"):
        load_classifier(tmp_path)
    stored(tmp_path / "c", METHODS_EXPORTED[0], evidence())
    path = tmp_path / "c/classifier.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "format": 99}))
    with pytest.raises(InputError, match="has format 99"):
        load_classifier(tmp_path / "c")
    path.write_text("[" * 100_000)
    with pytest.raises(InputError, match="not a classifier's description"):
        load_classifier(tmp_path / "c")
    path.write_text("{")
    with pytest.raises(InputError, match="not a classifier's description"):
        load_classifier(tmp_path / "c")


def test_what_does_not_fit_is_refused_before_anything_is_written(tmp_path):
    """Numbers of names, features and rows; a temperature of 0."""
    given = evidence()
    fitted = Fitted.of(METHODS_EXPORTED[0], given)
    with pytest.raises(MismatchError, match="3 class names"):
        save_classifier(tmp_path / "c", facts(3), fitted)
    with pytest.raises(MismatchError, match="rows of provenance"):
        save_classifier(tmp_path / "c", facts(), fitted, support_features=given.support_features)
    with pytest.raises(InputError, match="temperature"):
        save_classifier(
            tmp_path / "c",
            ClassifierFacts(facts().class_names, facts().encoder, temperature=0.0),
            fitted,
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("empty", [(), (0, 5)], ids=["all classes", "two without support"])
@pytest.mark.parametrize("method", METHODS_EXPORTED, ids=str)
def test_the_onnx_graph_computes_what_the_library_computes(tmp_path, method, empty):
    """Run with onnxruntime, on features of any norm and batch size."""
    loaded = stored(tmp_path / "c", method, evidence(empty))
    assert export_onnx(loaded, tmp_path / "m.onnx") < 2e-4
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    features = torch.randn(5, 16, generator=torch.Generator().manual_seed(1)) * 7
    logits, probabilities = session.run(["logits", "probabilities"], {"features": features.numpy()})
    ours = ImageFeatures(torch.nn.functional.normalize(features, dim=1))
    expected = load_classifier(tmp_path / "c").probabilities(ours)
    assert torch.allclose(torch.from_numpy(probabilities), expected, atol=1e-5)
    assert logits.shape == (5, 7)
    assert json.loads(session.get_modelmeta().custom_metadata_map["class_names"])[0] == 'class 0 "é"'


def test_a_wrong_graph_is_not_written(tmp_path):
    """The comparison can fail: with a tolerance below rounding nothing is left behind."""
    loaded = stored(tmp_path / "c", METHODS_EXPORTED[3], evidence())
    with pytest.raises(MismatchError, match="differ by"):
        export_onnx(loaded, tmp_path / "m.onnx", tolerance=-1.0)
    assert {p.name for p in tmp_path.iterdir()} == {"c"}
    export_onnx(loaded, tmp_path / "m.onnx")
    other = stored(tmp_path / "d", METHODS_EXPORTED[1], evidence())
    assert check_onnx(other, tmp_path / "m.onnx") > 0.1


def test_methods_without_a_graph_say_so(tmp_path):
    """The published batch-dependent variant has none."""
    loaded = stored(tmp_path / "c", METHODS["tip_x_published"](), evidence())
    with pytest.raises(ConfigError, match="mixes the rows"):
        export_onnx(loaded, tmp_path / "m.onnx")


def test_the_open_clip_head_is_the_zero_shot_classifier(tmp_path):
    """A linear layer without bias; support methods are refused unless only their text is asked for."""
    query = unit(torch.Generator().manual_seed(2), 4, 16)
    zero = stored(tmp_path / "z", METHODS_EXPORTED[0], evidence())
    export_open_clip_head(zero, tmp_path / "head.safetensors")
    weight = load_file(tmp_path / "head.safetensors")["weight"]
    assert torch.allclose(query @ weight.T, zero.method.logits(zero.state, ImageFeatures(query)), atol=1e-4)
    tip = stored(tmp_path / "t", METHODS_EXPORTED[3], evidence())
    with pytest.raises(ConfigError, match="--text-only"):
        export_open_clip_head(tip, tmp_path / "h2.safetensors")
    export_open_clip_head(tip, tmp_path / "h2.safetensors", text_only=True)
    assert torch.equal(load_file(tmp_path / "h2.safetensors")["weight"], weight)


def test_a_linear_method_with_a_bias_is_a_linear_layer_of_torch(tmp_path):
    """GDA's discriminant: the file loads into ``torch.nn.Linear`` as it is."""
    gda = stored(tmp_path / "g", known_methods()["gda"](), evidence())
    export_open_clip_head(gda, tmp_path / "head.safetensors")
    query, head = (
        unit(torch.Generator().manual_seed(2), 4, 16),
        torch.nn.Linear(16, len(gda.facts.class_names)),
    )
    head.load_state_dict(load_file(tmp_path / "head.safetensors"))
    torch.testing.assert_close(
        head(query), gda.method.logits(gda.state, ImageFeatures(query)), rtol=1e-4, atol=1e-3
    )


def test_hostile_captions_stay_with_their_image(classifier_folder: Path, tmp_path: Path) -> None:
    """Line separators, controls, bidi marks and NUL in a caption neither split nor shift the rows of a classifier."""
    import dataclasses

    from susx.classifier import save_classifier

    known = read_classifier(classifier_folder)
    texts = (
        "a\u2028b\u2029c",
        "d\x85e\x1cf\x0bg\x0ch",
        "\x00\x07\x9b31m",
        "\u202eevil\u2069",
        "\ud800",
        "x" * (1 << 20),
    )
    rows = [dataclasses.replace(row, caption=texts[i % len(texts)]) for i, row in enumerate(known.rows)]
    save_classifier(
        tmp_path / "c", known.facts, known.fitted, support_features=known.support, support_rows=rows
    )
    assert list(read_classifier(tmp_path / "c").rows) == rows
