"""Labels as other programs read them: read back by those programs' own readers where they are at hand."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from susx.encoder_id import EncoderId
from susx.errors import ConfigError, InputError
from susx.labelling import LabelRecord, LabelResult
from susx.labelling.export import FORMATS, export_labels
from susx.labelling.label_report import render_page, write_page
from susx.labelling.label_table import COLUMNS
from susx.store import ArtefactStore, digest_file
from susx.store.image_rows import ImageRows
from susx.testing.photos import take_photos

CLASSES = ("banded", "grid", 'a "b" & <c>')


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> LabelResult:
    """Six photographs, the last of none of the classes, the first said by a person."""
    import numpy as np
    import pandas as pd

    root = tmp_path_factory.mktemp("export")
    truth = take_photos(root / "photos", CLASSES[:2], 3)
    digests = [digest_file(root / "photos" / path) for path in truth]
    store = ArtefactStore(root / "store")
    ImageRows(store, EncoderId("tiny", "e" * 64)).add(digests, np.eye(6, 8, dtype=np.float32))
    labels = [*list(truth.values())[:5], ""]
    frame = pd.DataFrame(
        {
            "path": list(truth), "label": labels, "probability": [1.0, 0.9, 0.8, 0.7, 0.6, 1.0], "second": "grid", "second_probability": 0.0,
            "margin": 0.5, "none_of_these": [0.0, 0.0, 0.1, 0.9, 0.2, 1.0], "group": range(6), "by_person": [True, *[False] * 4, True],
            "digest": digests,
        }
    )[list(COLUMNS)]  # fmt: skip
    record = LabelRecord(
        CLASSES,
        str(root / "photos"),
        EncoderId("tiny", "e" * 64),
        store=store.address,
        toy=True,
        left_out={"empty": 2},
    )
    return LabelResult(record, frame)


@pytest.mark.parametrize("form", FORMATS)
def test_all_that_has_a_class_is_written_once(result: LabelResult, tmp_path: Path, form: str) -> None:
    """Every format; not over anything, and not without a label that is sure enough."""
    expected = 6 if form == "label-studio" else 5
    assert export_labels(result, form, tmp_path / "out") == expected
    with pytest.raises(InputError, match="not empty"):
        export_labels(result, form, tmp_path / "out")
    assert export_labels(result, form, tmp_path / "sure", least=0.75) == expected - 2
    with pytest.raises(InputError, match="None of the"):
        export_labels(result, form, tmp_path / "none", least=1.1)


def test_webdataset_reads_it_back(result: LabelResult, tmp_path: Path) -> None:
    """webdataset itself decodes picture and label."""
    import webdataset

    export_labels(result, "webdataset", tmp_path / "out")
    tars = [str(path) for path in sorted((tmp_path / "out").glob("*.tar"))]
    samples = list(webdataset.WebDataset(tars, shardshuffle=False).decode("pil").to_tuple("jpg", "cls"))
    names = json.loads((tmp_path / "out" / "classes.json").read_text())
    assert sorted(names[label] for _, label in samples) == sorted(result.frame["label"][:5])
    assert {picture.size for picture, _ in samples} == {(64, 64)}


def test_datasets_finds_its_features_and_pictures(result: LabelResult, tmp_path: Path) -> None:
    """The parquet's schema is what ``datasets`` reads; the pictures are the files, byte by byte."""
    import pyarrow.parquet as pq

    export_labels(result, "datasets", tmp_path / "out")
    (file,) = (tmp_path / "out" / "data").glob("*.parquet")
    table = pq.read_table(file)
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert features["label"]["names"] == list(CLASSES)
    assert features["image"] == {"_type": "Image"}
    digests = [digest for digest in table.column("digest").to_pylist()]
    assert sorted(digests) == sorted(result.frame["digest"][:5])


def test_coco_is_whole(result: LabelResult, tmp_path: Path) -> None:
    """Every image has its file, size and category."""
    export_labels(result, "coco", tmp_path / "out")
    data = json.loads((tmp_path / "out" / "annotations.json").read_text())
    names = {category["id"]: category["name"] for category in data["categories"]}
    assert sorted(names[a["category_id"]] for a in data["annotations"]) == sorted(result.frame["label"][:5])
    for image in data["images"]:
        assert (tmp_path / "out" / "images" / image["file_name"]).is_file()
        assert (image["width"], image["height"]) == (64, 64)


def test_label_studio_tasks_say_who_said_it(result: LabelResult, tmp_path: Path) -> None:
    """Predictions are susx's, annotations people's; the configuration is XML that knows every label."""
    export_labels(result, "label-studio", tmp_path / "out")
    tasks = json.loads((tmp_path / "out" / "tasks.json").read_text())
    assert [("annotations" in task, "predictions" in task) for task in tasks] == [
        (s, not s) for s in result.frame["by_person"]
    ]
    config = ElementTree.parse(tmp_path / "out" / "config.xml")
    choices = {choice.get("value") for choice in config.iter("Choice")}
    assert choices == {*CLASSES, "(none of these)"}
    said = {
        r["value"]["choices"][0]
        for task in tasks
        for kind in ("annotations", "predictions")
        for a in task.get(kind, [])
        for r in a["result"]
    }
    assert said <= choices


def test_a_photograph_that_changed_is_said(result: LabelResult, tmp_path: Path) -> None:
    """A label is of a file's content: of another content it says nothing."""
    photo = result.image(result.frame["path"][1])
    data = photo.read_bytes()
    try:
        photo.write_bytes(data + b"x")
        with pytest.raises(InputError, match="changed since"):
            export_labels(result, "webdataset", tmp_path / "out")
    finally:
        photo.write_bytes(data)
    assert not (tmp_path / "out").exists()


def test_an_unknown_format_is_refused(result: LabelResult, tmp_path: Path) -> None:
    """The nearest is suggested."""
    with pytest.raises(ConfigError, match="webdataset"):
        export_labels(result, "webdatasets", tmp_path / "out")


def test_the_page_shows_classes_outsiders_and_what_was_left_out(result: LabelResult) -> None:
    """One file that asks the network for nothing; names are text, whatever they hold; toys are said."""
    page = render_page(result)
    assert page.count("<img ") >= 6
    assert "Toy run" in page
    assert "a &#34;b&#34; &amp; &lt;c&gt;" in page
    assert '<td class="num">2</td>' in page
    assert "http://" not in page
    assert "https://" not in page


def test_the_page_is_written_beside_the_labels(result: LabelResult, tmp_path: Path) -> None:
    """A photograph that is gone is a tile without a picture."""
    import dataclasses

    gone = dataclasses.replace(
        result, record=dataclasses.replace(result.record, folder=str(tmp_path)), folder=tmp_path
    )
    assert "no picture" in write_page(gone).read_text(encoding="utf-8")
