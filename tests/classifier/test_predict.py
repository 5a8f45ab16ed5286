"""Classifying files, folders, patterns and standard input, with broken images among them."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os

import pytest
import torch
import typer
from PIL import Image
from typer.testing import CliRunner

import susx
from susx.classifier import load_classifier, read_classifier, save_classifier
from susx.classifier.classifier_hub import locate_classifier
from susx.classifier.predict import as_record, decode, expand, predict_stream
from susx.classifier.schema import Answer, NearImage, ScoredClass
from susx.commands.export import export
from susx.commands.predict import predict
from susx.config import EncoderConfig
from susx.encoder_id import EncoderId
from susx.errors import InputError, MismatchError
from susx.features.encoder import load_encoder
from susx.methods import METHODS, ImageFeatures
from susx.testing.http_images import bomb_png

CLASSES = ("banded", "bubbly", "chequered", "cracked", "dotted", "grid", "striped", "zigzagged")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, class_names, draw):
    base = tmp_path_factory.mktemp("images")
    (base / "sub").mkdir()
    for name in class_names:
        draw(name, 0).save(base / f"{name}.png")
    draw("grid", 1).save(base / "sub" / "grid é [1].jpg")
    (base / "notes.txt").write_text("not an image")
    return base


@pytest.fixture(scope="module")
def classifier(classifier_folder):
    return susx.load_classifier(classifier_folder, batch_size=4)


def command(function):
    app = typer.Typer()
    app.command()(function)
    return lambda *arguments, **more: CliRunner().invoke(app, [str(a) for a in arguments], **more)


def test_most_textures_are_recognised_and_explained(classifier, class_names, draw):
    """Probabilities sum to 1 over all classes, best first; neighbours are the nearest support images with their rows."""
    images = [draw(name, i) for name in class_names for i in range(4)]
    found = classifier.predict(images, top_k=8, explain=2)
    right = sum(p.classes[0].class_name == class_names[i // 4] for i, p in enumerate(found))
    assert right >= 20
    for p in found:
        values = [s.probability for s in p.classes]
        assert sum(values) == pytest.approx(1, abs=1e-5)
        assert values == sorted(values, reverse=True)
        assert p.neighbours[0].similarity >= p.neighbours[1].similarity
        assert p.neighbours[0].row.url.startswith("https://example.org/")
    assert [p.image for p in found[:2]] == ["image 0", "image 1"]


def test_predictions_equal_those_of_encoder_and_method(classifier, class_names, draw):
    """The pipeline adds nothing: same features, same logits, calibrated by the stored temperature."""
    images = [draw(name, 2) for name in class_names]
    features = ImageFeatures(load_encoder(EncoderConfig(model="susx-tiny")).encode_images(images))
    expected = torch.softmax(classifier.logits(features).double() / 1.5, dim=1).max(dim=1)
    found = classifier.predict(images, top_k=1)
    assert [p.classes[0].probability for p in found] == pytest.approx(expected.values.tolist(), abs=1e-5)
    assert [p.classes[0].class_name for p in found] == [class_names[i] for i in expected.indices.tolist()]


@pytest.mark.parametrize("name", [n for n, method in METHODS.items() if not method.row_wise])
def test_a_folder_is_one_folder_whatever_the_batches(build_classifier, tmp_path, class_names, draw, name):
    """A method that looks at all images is given all of them: the encoder's batches change nothing."""
    path = build_classifier(tmp_path / "c", METHODS[name]())
    images = [draw(name, i) for i in (0, 1) for name in class_names]
    whole, small = (
        susx.load_classifier(path, batch_size=size).predict(images, top_k=1, explain=0) for size in (64, 2)
    )
    assert [p.classes[0].class_name for p in whole] == [p.classes[0].class_name for p in small]
    expected = [p.classes[0].probability for p in whole]
    assert [p.classes[0].probability for p in small] == pytest.approx(expected, abs=1e-4)


def test_broken_images_stay_in_their_place(classifier, folder, tmp_path):
    """Each has a sentence that says what is wrong; the others are classified as ever."""
    whole = (folder / "grid.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty.png").write_bytes(b"")
    grid, dotted = folder / "grid.png", folder / "dotted.png"
    paths = [
        tmp_path / "cut.png",
        grid,
        tmp_path / "text.png",
        tmp_path / "gone.png",
        dotted,
        tmp_path / "empty.png",
        tmp_path,
    ]
    found = classifier.predict(paths * 3)
    assert [p.image for p in found] == [str(p) for p in paths * 3]
    assert [p.error is None for p in found] == [False, True, False, False, True, False, False] * 3
    alone = classifier.predict([grid])[0]
    assert found[1].classes[0].class_name == alone.classes[0].class_name
    assert found[1].classes[0].probability == pytest.approx(alone.classes[0].probability, abs=1e-5)
    assert "no such file" in found[3].error
    assert "none of JPEG" in found[2].error


def test_only_broken_images_are_no_trouble(classifier, tmp_path):
    """A block without a single readable picture."""
    assert [p.error is None for p in predict_stream(classifier, [tmp_path / "a", tmp_path / "b"])] == [
        False,
        False,
    ]
    assert classifier.predict([]) == []


def test_every_mode_of_picture_is_read(classifier, tmp_path, draw):
    """Grey, palette, transparent, CMYK and 16 bit."""
    for mode in ("L", "P", "RGBA", "CMYK", "I;16"):
        picture = Image.new("I;16", (20, 10)) if mode == "I;16" else draw("grid", 0).convert(mode)
        picture.save(tmp_path / f"{mode[0]}{len(mode)}.{'tif' if mode in ('CMYK', 'I;16') else 'png'}")
    assert [p.error for p in classifier.predict(sorted(tmp_path.iterdir()))] == [None] * 5


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path):
    """The limit is on what the header says."""
    (tmp_path / "bomb.png").write_bytes(bomb_png())
    assert "decompression bomb" in decode(tmp_path / "bomb.png")


def test_another_encoder_is_refused(classifier_folder, tmp_path, draw):
    """The digest in the artefact is the encoder's own."""
    known = read_classifier(classifier_folder)
    facts = dataclasses.replace(known.facts, encoder=EncoderId("susx-tiny", "0" * 64))
    save_classifier(
        tmp_path / "c", facts, known.fitted, support_features=known.support, support_rows=known.rows
    )
    with pytest.raises(MismatchError, match="its numbers would mean nothing"):
        load_classifier(tmp_path / "c").predict([draw("grid", 0)])


def test_arguments_are_files_folders_and_patterns(folder):
    """A folder gives its images, sorted, however deep; a name with brackets that exists is a name."""
    names = [p.name for p in expand([str(folder)])]
    assert names == [*(f"{n}.png" for n in CLASSES[:7]), "grid é [1].jpg", "zigzagged.png"]
    assert [p.name for p in expand([str(folder / "*ed.png")])] == [
        f"{n}.png" for n in CLASSES if n.endswith("ed")
    ]
    assert [p.name for p in expand([str(folder / "sub" / "grid é [1].jpg")])] == ["grid é [1].jpg"]
    assert [p.name for p in expand([str(folder / "**" / "*.jpg")])] == ["grid é [1].jpg"]
    with pytest.raises(InputError, match="No file matches"):
        list(expand([str(folder / "*.webp")]))
    (folder / "none").mkdir(exist_ok=True)
    with pytest.raises(InputError, match="holds no images"):
        list(expand([str(folder / "none")]))


def test_the_command_writes_json_lines_and_its_exit_code_tells(classifier_folder, folder, tmp_path):
    """0 when all were read, 1 when some were not, 3 when none was."""
    run = command(predict)
    good = run(folder / "grid.png", folder / "sub", "--classifier", classifier_folder, "--top-k", 2)
    assert good.exit_code == 0, good.output
    records = [json.loads(line) for line in good.stdout.splitlines()]
    assert len(records) == 2
    assert set(records[0]) == {
        "image",
        "class_name",
        "probability",
        "top",
        "nearest",
        "is_zero_shot",
        "calibrated_on",
        "calibration_images",
        "toy",
        "warning",
    }
    assert records[0]["toy"] is True
    for said in (records[0]["warning"], good.stderr):
        assert "the embedded toy" in said
        assert "answers mean nothing" in said
        assert "--profile clip-vit-b16" in said
    assert "not calibrated: there were no labelled images" in good.stderr
    assert "Packaged: TIP-X (fixed)." in good.stderr
    assert len(records[0]["top"]) == 2
    some = run(folder / "grid.png", folder / "notes.txt", "--classifier", classifier_folder)
    assert some.exit_code == 1
    assert "1 of 2 images could not be read" in some.stderr
    assert json.loads(some.stdout.splitlines()[1])["error"]
    assert run(folder / "notes.txt", "--classifier", classifier_folder).exit_code == 3


def test_the_command_reads_paths_from_standard_input_and_writes_a_table(classifier_folder, folder, tmp_path):
    """CSV with a header, one row per image, errors in the last column."""
    out = tmp_path / "o.csv"
    lines = f"{folder / 'grid.png'}\n\n{folder / 'gone.png'}\n"
    done = command(predict)(
        "-", "--classifier", classifier_folder, "--format", "csv", "--out", out, "--top-k", 3, input=lines
    )
    assert done.exit_code == 1
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert [bool(row["error"]) for row in rows] == [False, True]
    assert rows[0]["class_name_3"]
    assert rows[0]["nearest"].count("|") == 2


def test_folders_and_odd_names_on_standard_input_stop_nothing(classifier_folder, folder, tmp_path):
    """Lines are paths of files: a folder, a pattern and bytes that are no UTF-8 get a record, and the next line its turn."""
    odd = os.fsencode(tmp_path) + b"/\xff\x9b.png"
    with open(odd, "wb") as file:
        file.write((folder / "grid.png").read_bytes())
    lines = [
        os.fsencode(folder / "none"),
        os.fsencode(folder),
        b"*.webp",
        odd,
        os.fsencode(folder / "grid.png"),
    ]
    done = command(predict)("-", "--classifier", classifier_folder, input=b"\n".join(lines))
    assert done.exit_code == 1, done.output
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert ["error" in record for record in records] == [True, True, True, False, False]
    assert os.fsencode(records[3]["image"]) == odd
    assert "directory" in records[1]["error"]


def test_a_formula_in_a_file_name_is_text_in_the_table(classifier_folder, folder, tmp_path, monkeypatch):
    """Spreadsheets do not compute it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "=1+cmd.png").write_bytes((folder / "grid.png").read_bytes())
    done = command(predict)("=1+cmd.png", "--classifier", classifier_folder, "--format", "csv")
    assert done.exit_code == 0, done.output
    assert [row["image"] for row in csv.DictReader(io.StringIO(done.stdout))] == ["'=1+cmd.png"]


def test_a_classifier_that_is_zero_shot_says_so(tmp_path, folder, build_classifier):
    """Whatever its method is called: in every record, and in words."""
    built = build_classifier(tmp_path / "c", METHODS["tip_x"](alpha=0.0, gamma=0.0))
    done = command(predict)(folder / "grid.png", "--classifier", built)
    assert json.loads(done.stdout)["is_zero_shot"] is True
    assert "Packaged: TIP-X (fixed), which here is zero-shot: the support images have no say" in done.stderr
    assert "alpha = 0" in done.stderr


def test_the_command_refuses_nothing_and_no_classifier(classifier_folder, folder, tmp_path):
    """Without images and without a classifier there is nothing to do."""
    assert isinstance(command(predict)("--classifier", classifier_folder).exception, InputError)
    assert isinstance(
        command(predict)("-", "--classifier", classifier_folder, input="").exception, InputError
    )
    assert isinstance(command(predict)(folder, "--classifier", tmp_path).exception, InputError)


def test_export_writes_both_formats(classifier_folder, tmp_path):
    """An existing file is kept without --force."""
    run = command(export)
    done = run("--classifier", classifier_folder, "--format", "onnx", "--out", tmp_path / "m.onnx")
    assert done.exit_code == 0, done.output
    assert "differs from the library by at most" in done.stdout
    assert (
        run("--classifier", classifier_folder, "--format", "onnx", "--out", tmp_path / "m.onnx").exit_code
        != 0
    )
    head = run(
        "--classifier",
        classifier_folder,
        "--format",
        "open_clip_head",
        "--out",
        tmp_path / "h.safetensors",
        "--text-only",
    )
    assert head.exit_code == 0
    assert os.path.getsize(tmp_path / "h.safetensors") > 0


def test_importing_susx_does_not_import_torch():
    """``susx.load_classifier`` is there, and loads what it needs when it is used."""
    import subprocess
    import sys

    code = "import sys, susx; assert 'torch' not in sys.modules; assert callable(susx.load_classifier)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_predict_and_serve_name_the_same_things_alike(classifier, draw):
    """A record is an answer of the service as it stands: no key of one is unknown to the other."""
    record = as_record(classifier.predict([draw("grid", 0)])[0], classifier.about)
    optional = {"url", "path", "original_digest", "match", "none_of_these", "warning", "support_trust"}
    for model, value in (
        (Answer, record),
        (ScoredClass, record["top"][0]),
        (NearImage, record["nearest"][0]),
    ):
        assert set(value) <= set(model.model_fields)
        assert set(model.model_fields) - set(value) <= optional


def test_an_answer_says_how_far_the_images_of_its_class_are_trusted(classifier, draw):
    """The number is that of the class that is answered; nothing where the method says nothing of its images."""
    prediction = classifier.predict([draw("grid", 0)])[0]
    names = classifier.about.class_names
    told = dataclasses.replace(classifier.about, class_trust=tuple(n / len(names) for n in range(len(names))))
    record = as_record(prediction, told)
    assert record["support_trust"] == pytest.approx(names.index(record["class_name"]) / len(names), abs=1e-6)
    assert Answer(**record).support_trust == record["support_trust"]
    assert "support_trust" not in as_record(prediction, dataclasses.replace(told, class_trust=()))


def test_a_run_is_a_classifier(classifier_folder, folder, tmp_path):
    """Its folder holds one; predict takes it as push does."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "classifier").symlink_to(classifier_folder)
    done = command(predict)(folder / "grid.png", "--classifier", tmp_path / "run")
    assert done.exit_code == 0, done.output
    assert locate_classifier(tmp_path / "run") == tmp_path / "run" / "classifier"
    assert locate_classifier(tmp_path / "none") == tmp_path / "none"


def test_the_ending_of_the_file_is_its_format(classifier_folder, folder, tmp_path):
    """A table for .csv, in a folder that is made; a file that cannot be written is refused before any image is read."""
    run = command(predict)
    done = run(folder / "grid.png", "--classifier", classifier_folder, "--out", tmp_path / "new" / "p.csv")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "new" / "p.csv").read_text().startswith("image,class_name_1,probability_1,")
    (tmp_path / "file").write_text("")
    done = run(folder / "grid.png", "--classifier", classifier_folder, "--out", tmp_path / "file" / "p.csv")
    assert isinstance(done.exception, InputError)
