"""Bundles that were cut, swapped, forged or written by others: one paragraph each, and nothing is run."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from susx.bundle import load_bundle, read_bundle
from susx.bundle.bundle_description import JSON
from susx.bundle.check_pictures import drawn_pictures
from susx.bundle.graph_check import check_graph, read_graph
from susx.cli import main
from susx.errors import DamagedArtefact, InputError


def cut(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 2])


DAMAGE = {
    "cut off": (lambda folder: cut(folder, "image.onnx"), "image.onnx"),
    "head cut off": (lambda folder: cut(folder, "head.onnx"), "head.onnx"),
    "empty": (lambda folder: (folder / "image.onnx").write_bytes(b""), "image.onnx"),
    "a table altered": (lambda folder: (folder / "support.jsonl").write_bytes(b"{}"), "support.jsonl"),
    "a file missing": (lambda folder: (folder / "support.npy").unlink(), "support.npy is missing"),
    "a file too many": (lambda folder: (folder / "text.onnx").write_bytes(b"x"), "not among the files"),
    "a file swapped": (lambda folder: shutil.copy(folder / "classes.npy", folder / "support.npy"), "support.npy is altered"),
    "graphs swapped": (lambda folder: shutil.copy(folder / "image.onnx", folder / "head.onnx"), "head.onnx is altered"),
    "description altered": (
        lambda folder: (folder / JSON).write_text((folder / JSON).read_text().replace("banded", "bonded")), "is altered",
    ),
    "description cut off": (lambda folder: cut(folder, JSON), "not a bundle's description"),
    "description a list": (lambda folder: (folder / JSON).write_text("[]"), "expected an object, found a list"),
    "description missing": (lambda folder: (folder / JSON).unlink(), "There is no bundle in"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_one_paragraph_that_names_the_file(kind, copied, capsys):
    """By the library and by the command; no traceback."""
    change, said = DAMAGE[kind]
    change(copied)
    with pytest.raises((DamagedArtefact, InputError)) as caught:
        read_bundle(copied)
    assert said in str(caught.value)
    with pytest.raises(SystemExit):
        main(["predict", "a.png", "--bundle", str(copied)])
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert err.strip().count("\n\n") == 0


def test_a_newer_version_and_a_newer_field_are_refused(copied, seal):
    """The format is said, and who wrote it."""
    told = json.loads((copied / JSON).read_text())
    (copied / JSON).write_text(json.dumps(told | {"format": 2, "susx": "9.1"}))
    with pytest.raises(InputError, match=r"format 2, and this susx .* reads 1.*'9\.1'"):
        read_bundle(copied)
    (copied / JSON).write_text(json.dumps(told | {"shiny": True}))
    with pytest.raises(InputError, match="shiny"):
        read_bundle(copied)


def test_a_text_tower_without_its_tokenizer_is_refused(copied, seal):
    """Whatever the digests say."""
    text = {"kind": "clip", "clean": "lower", "context": 16, "start": 1, "end": 2}
    seal(copied, text=text)
    with pytest.raises(InputError, match=r"text\.onnx and tokenizer\.json"):
        read_bundle(copied)


def small_graph(path: Path, *, domain: str = "", place: str | None = None, inside: bool = False) -> None:
    """A graph of one addition, with an operator's domain and a place of its data to choose."""
    weight = helper.make_tensor("w", TensorProto.FLOAT, [32], np.zeros(32, np.float32).tobytes(), raw=True)
    if place is not None:
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        for key, value in (("location", place), ("length", "128")):
            entry = weight.external_data.add()
            entry.key, entry.value = key, value
    node = helper.make_node("Add", ["features", "w"], ["logits"], domain=domain)
    nodes, initial = [node], [weight]
    if inside:  # in a branch of an If, with the weight as a constant's attribute
        constant = helper.make_node("Constant", [], ["w"], value=weight)
        branch = helper.make_graph(
            [constant, node],
            "branch",
            [],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["q", 32])],
        )
        yes = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
        nodes = [helper.make_node("If", ["yes"], ["logits"], then_branch=branch, else_branch=branch)]
        initial = [yes]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["q", 32])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["q", 32])], initial,
    )  # fmt: skip
    imports = [helper.make_opsetid("", 18), *([helper.make_opsetid(domain, 1)] if domain else [])]
    path.write_bytes(helper.make_model(graph, opset_imports=imports, ir_version=9).SerializeToString())


@pytest.mark.parametrize("inside", [False, True], ids=["graph", "branch"])
@pytest.mark.parametrize(
    ("settings_", "said"),
    [
        ({"domain": "com.evil"}, "com.evil"),
        ({"domain": "com.microsoft"}, "com.microsoft"),
        ({"place": "/etc/passwd"}, "/etc/passwd"),
        ({"place": "../secret"}, "../secret"),
        ({"place": "other.data"}, "other.data"),
    ],
    ids=["domain", "contrib", "absolute", "above", "beside"],
)
def test_a_graph_that_asks_for_more_is_not_opened(settings_, said, inside, copied, seal, monkeypatch):
    """Operators of others and data outside the bundle, at the top and within a branch, under right digests."""
    small_graph(copied / "head.onnx", inside=inside, **settings_)
    seal(copied)
    opened = []
    real = onnxruntime.InferenceSession

    def watching(path, *arguments, **more):
        opened.append(Path(path).name)
        return real(path, *arguments, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", watching)
    with pytest.raises(InputError, match=r"Nothing outside|only those of the ONNX standard") as caught:
        read_bundle(copied)
    assert said in str(caught.value)
    assert "head.onnx" not in opened


def test_data_beside_the_graph_is_read(tmp_path):
    """What the bundle lists is opened; the same file is refused where it is not listed."""
    small_graph(tmp_path / "image.onnx", place="image.onnx.data")
    check_graph(tmp_path / "image.onnx", frozenset({"image.onnx.data"}))
    with pytest.raises(InputError, match="is no file of its bundle"):
        check_graph(tmp_path / "image.onnx")
    assert read_graph(tmp_path / "image.onnx").places == {"image.onnx.data"}


def test_functions_of_its_own_are_looked_into(tmp_path):
    """An operator of others within a function, and the function's own domain."""
    node = helper.make_node("Foreign", ["x"], ["y"], domain="deep.down")
    function = helper.make_function("mine", "F", ["x"], ["y"], [node], [helper.make_opsetid("deep.down", 1)])
    graph = helper.make_graph([], "g", [], [])
    model = helper.make_model(graph, functions=[function])
    (tmp_path / "f.onnx").write_bytes(model.SerializeToString())
    assert {"deep.down", "mine"} <= read_graph(tmp_path / "f.onnx").domains


def test_an_operator_that_this_onnxruntime_lacks(copied, seal):
    """A name that the standard does not define, and a version of it that is not there yet."""
    model = onnx.load(copied / "head.onnx")
    model.graph.node[0].op_type = "Teleport"
    onnx.save(model, str(copied / "head.onnx"))
    seal(copied)
    with pytest.raises(InputError, match=r"cannot be run by onnxruntime .*newer onnxruntime"):
        read_bundle(copied)
    model = onnx.load(copied / "image.onnx")
    model.opset_import[0].version = 999
    onnx.save(model, str(copied / "image.onnx"))
    seal(copied)
    with pytest.raises(InputError, match=r"cannot be run by onnxruntime"):
        read_bundle(copied)


def test_parts_of_two_bundles_are_refused(copied, seal):
    """Another number of classes, features of another width, a graph that takes something else."""
    told = json.loads((copied / JSON).read_text())
    seal(copied, class_names=[*told["class_names"], "one more"])
    with pytest.raises(InputError, match="9 class names, but 8 rows"):
        read_bundle(copied)
    seal(copied, class_names=told["class_names"], pixels=told["pixels"] | {"height": 65, "width": 65})
    with pytest.raises(InputError, match="is not the image tower"):
        read_bundle(copied)
    seal(copied, pixels=told["pixels"])
    np.save(copied / "classes.npy", np.zeros((8, 5), np.float32))
    seal(copied)
    with pytest.raises(InputError, match=r"classes\.npy holds no features"):
        read_bundle(copied)


def test_a_table_of_objects_is_not_unpickled(copied, seal):
    """numpy's format can hold pickles; they stay closed."""
    np.save(copied / "classes.npy", np.array([[print] * 32] * 8, dtype=object), allow_pickle=True)
    seal(copied)
    with pytest.raises(InputError, match=r"classes\.npy holds no features"):
        read_bundle(copied)


def test_a_wrong_table_of_support_is_said_when_it_is_asked_for(copied, seal):
    """Rows that are none, and rows of other images."""
    lines = (copied / "support.jsonl").read_bytes().splitlines(keepends=True)
    (copied / "support.jsonl").write_bytes(b"".join(lines[:-1]))
    seal(copied)
    with pytest.raises(InputError, match="47 rows for 48 support images"):
        _ = read_bundle(copied).rows
    (copied / "support.jsonl").write_bytes(b"[]\n")
    seal(copied)
    with pytest.raises(InputError, match="no table of support images"):
        _ = read_bundle(copied).rows


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_byte_of_a_graph_is_read_or_refused_in_words(bundle_folder, tmp_path, data):
    """The walk over the protobuf ends, whatever it is given."""
    original = bytearray((bundle_folder / "head.onnx").read_bytes()[:4000])
    for _ in range(data.draw(st.integers(1, 8))):
        original[data.draw(st.integers(0, len(original) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "mutated.onnx"
    path.write_bytes(bytes(original[: data.draw(st.integers(1, len(original)))]))
    with contextlib.suppress(InputError):
        read_graph(path)


def test_a_folder_of_nothing_readable_and_a_picture_of_one_pixel(bundle_folder, tmp_path, capsys):
    """A picture of 1 x 1 has an answer; a folder without images has a paragraph; broken images have records."""
    from PIL import Image

    (tmp_path / "empty").mkdir()
    Image.new("RGB", (1, 1)).save(tmp_path / "one.png")
    (prediction,) = load_bundle(bundle_folder).predict([tmp_path / "one.png"])
    assert prediction.error is None
    with pytest.raises(SystemExit):
        main(
            [
                "predict",
                str(tmp_path / "empty"),
                "--bundle",
                str(bundle_folder),
                "--out",
                str(tmp_path / "none.jsonl"),
            ]
        )
    assert "holds no images" in " ".join(capsys.readouterr().err.split())
    (tmp_path / "empty" / "broken.png").write_bytes(b"nothing")
    out = tmp_path / "answers.jsonl"
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(tmp_path / "empty"), "--bundle", str(bundle_folder), "--out", str(out)])
    assert ended.value.code == 3
    assert json.loads(out.read_text())["error"]


def test_five_thousand_classes(copied, seal):
    """Read, and asked for all of them."""
    rows = (
        np.random.default_rng(0)
        .normal(size=(5000, np.load(copied / "classes.npy").shape[1]))
        .astype(np.float32)
    )
    np.save(copied / "classes.npy", rows / np.linalg.norm(rows, axis=1, keepdims=True))
    weight = helper.make_tensor("w", TensorProto.FLOAT, rows.T.shape, rows.T.tobytes(), raw=True)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["features", "w"], ["logits"])], "g",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["q", rows.shape[1]])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["q", 5000])], [weight],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    (copied / "head.onnx").write_bytes(model.SerializeToString())
    seal(copied, class_names=[f"class {n}" for n in range(5000)])
    (prediction,) = load_bundle(copied).predict(drawn_pictures(1), top_k=6000)
    assert len(prediction.classes) == 5000
    assert sum(scored.probability for scored in prediction.classes) == pytest.approx(1, abs=1e-4)


def test_graphs_of_another_encoder_are_refused(copied, seal):
    """The tower of one encoder and the head of another, of other widths: whatever the digests say."""
    for name, taken, output in (("image.onnx", "pixels", "features"), ("head.onnx", "features", "logits")):
        before = (copied / name).read_bytes()
        last = 8 if name == "head.onnx" else 7
        inner = ["q", 7] if name == "head.onnx" else ["q", 3, 64, 64]
        graph = helper.make_graph(
            [helper.make_node("RandomNormal", [], [output], shape=[1, last])], "g",
            [helper.make_tensor_value_info(taken, TensorProto.FLOAT, inner)],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, last])],
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        (copied / name).write_bytes(model.SerializeToString())
        seal(copied)
        with pytest.raises(
            InputError, match=rf"{name} is not the (image tower|method) that bundle\.json tells of"
        ):
            read_bundle(copied)
        (copied / name).write_bytes(before)
