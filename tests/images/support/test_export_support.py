"""Exported support sets: labels follow the class list, names with slashes are safe, origins are listed."""

import csv
import json
import tarfile

import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from susx.commands.support import app
from susx.errors import InputError
from susx.images.support import (
    export_coco,
    export_fiftyone,
    export_imagefolder,
    export_parquet,
    export_webdataset,
    read_support,
    write_support,
)
from susx.images.support.export_parquet import PARQUET
from susx.records import SupportRow

CLASSES = ("zebra", "a/c", "lion")


@pytest.fixture
def table(tmp_path):
    rows = []
    for number, name in enumerate(["a/c", "zebra", "zebra", "a/c"]):
        file = f"images/{number}.jpg"
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(bytes([number]) * 10)
        rows.append(
            SupportRow(
                name, file, str(number) * 64, "retrieved", "a photo", url=f"http://x/{number}", licence="by"
            )
        )
    rows[3] = rows[3].reject("duplicate")
    write_support(tmp_path / "support.parquet", rows)
    return tmp_path / "support.parquet"


def test_an_imagefolder_keeps_the_label_order(table, tmp_path):
    """Folders sort as the class list does, and origins.csv names URL and licence of every kept image."""
    out = tmp_path / "out"
    assert export_imagefolder(read_support(table), CLASSES, lambda row: tmp_path / row.file, out) == 3
    assert sorted(p.name for p in out.iterdir() if p.is_dir()) == ["000_zebra", "001_a_c"]
    with (out / "origins.csv").open() as file:
        listed = list(csv.DictReader(file))
    assert [(row["class_id"], row["class_name"], row["licence"]) for row in listed] == [
        ("0", "zebra", "by"), ("0", "zebra", "by"), ("1", "a/c", "by"),
    ]  # fmt: skip
    assert all((out / row["file"]).is_file() for row in listed)
    assert json.loads((out / "classes.json").read_text()) == list(CLASSES)
    with pytest.raises(InputError, match="not empty"):
        export_imagefolder(read_support(table), CLASSES, lambda row: tmp_path / row.file, out)


def test_a_webdataset_is_reproducible(table, tmp_path):
    """Shards hold jpg, txt, cls and json, and equal sets give equal bytes."""
    for name in ("one", "two"):
        export_webdataset(
            read_support(table), CLASSES, lambda row: tmp_path / row.file, tmp_path / name, per_shard=2
        )
    with tarfile.open(tmp_path / "one" / "00001.tar") as tar:
        assert tar.getnames() == [f"00000002.{kind}" for kind in ("jpg", "txt", "cls", "json")]
        assert tar.extractfile("00000002.cls").read() == b"1"
    for shard in ("00000.tar", "00001.tar"):
        assert (tmp_path / "one" / shard).read_bytes() == (tmp_path / "two" / shard).read_bytes()


def test_missing_images_and_unknown_classes_are_named(table, tmp_path):
    """An image that is gone and a class that the data set does not have stop the export."""
    with pytest.raises(InputError, match="not there"):
        export_imagefolder(read_support(table), CLASSES, lambda row: tmp_path / "gone", tmp_path / "a")
    with pytest.raises(InputError, match="'a/c'"):
        export_imagefolder(read_support(table), ("zebra",), lambda row: tmp_path / row.file, tmp_path / "b")


def test_coco_names_every_image_once_with_its_category(table, tmp_path):
    """Ids begin at 1, boxes are whole images, licences are listed, files are there."""
    out = tmp_path / "out"
    assert export_coco(read_support(table), CLASSES, lambda row: tmp_path / row.file, out) == 3
    coco = json.loads((out / "annotations.json").read_text())
    names = {category["id"]: category["name"] for category in coco["categories"]}
    assert names == {1: "zebra", 2: "a/c", 3: "lion"}
    of_image = {
        annotation["image_id"]: names[annotation["category_id"]] for annotation in coco["annotations"]
    }
    with (out / "origins.csv").open() as file:
        listed = {row["file"].removeprefix("images/"): row["class_name"] for row in csv.DictReader(file)}
    assert {image["file_name"]: of_image[image["id"]] for image in coco["images"]} == listed
    assert all((out / "images" / name).is_file() for name in listed)
    assert [licence["name"] for licence in coco["licenses"]] == ["by"]


def test_fiftyone_finds_a_label_for_every_file(table, tmp_path):
    """``labels`` goes from the file's name without suffix to a position in ``classes``."""
    out = tmp_path / "out"
    assert export_fiftyone(read_support(table), CLASSES, lambda row: tmp_path / row.file, out) == 3
    found = json.loads((out / "labels.json").read_text())
    assert sorted(found["labels"]) == sorted(path.stem for path in (out / "data").iterdir())
    assert sorted(found["classes"][label] for label in found["labels"].values()) == ["a/c", "zebra", "zebra"]


def test_a_parquet_support_set_can_be_described_and_read_again(table, tmp_path):
    """What ``datasets.load_dataset`` needs: the ClassLabel in table and card; hostile names stay in their cells."""
    from susx.datasets.hub_tables import open_tables

    hostile = ("zebra", "a/c", "lion | x\n---\n# not a heading")
    out = tmp_path / "out"
    assert export_parquet(read_support(table), hostile, lambda row: tmp_path / row.file, out) == 3
    tables = open_tables(out)
    assert tables.names == hostile
    rows = list(tables.rows("train"))
    assert [row.label for row in rows] == ["zebra", "zebra", "a/c"]
    assert sorted(tables.image(row) for row in rows) == [bytes([n]) * 10 for n in range(3)]
    stored = pq.read_table(out / PARQUET)["image"].to_pylist()
    with (out / "origins.csv").open() as file:
        assert [line["file"] for line in csv.DictReader(file)] == [
            f"{PARQUET}/{image['path']}" for image in stored
        ]
    assert len({image["path"] for image in stored}) == 3
    card = (out / "README.md").read_text()
    assert not [line for line in card.split("\n") if line.startswith("# not")]
    head = yaml.safe_load(card.split("\n---\n")[0])
    assert head["dataset_info"]["features"][1]["dtype"]["class_label"]["names"]["2"] == hostile[2]


@pytest.mark.parametrize(
    "write", [export_imagefolder, export_webdataset, export_parquet, export_coco, export_fiftyone]
)
def test_an_export_that_fails_leaves_nothing(write, table, tmp_path):
    """The last image is gone when it is its turn: no half folder, and the next try may use the name."""
    rows = read_support(table)
    last = max((row for row in rows if row.kept), key=lambda row: (CLASSES.index(row.class_name), row.digest))
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match="not there"):
        write(rows, CLASSES, lambda row: tmp_path / ("gone" if row == last else row.file), tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == before
    assert write(rows, CLASSES, lambda row: tmp_path / row.file, tmp_path / "out") == 3
    assert {path.name for path in tmp_path.iterdir()} == before | {"out"}


@pytest.mark.parametrize("foreign", ["[]", "{}", '{"artefacts": null}', '{"torn'])
def test_a_run_json_of_another_program_is_no_obstacle(table, tmp_path, foreign):
    """Images beside the table are found whatever a file called run.json says."""
    (tmp_path / "run.json").write_text(foreign)
    done = CliRunner().invoke(app, ["export", str(table), "--out", str(tmp_path / "x")])
    assert done.exit_code == 0, done.exception


def test_the_commands_show_and_export(table, tmp_path):
    """``show`` counts by class and reason, ``export`` writes what the store holds."""
    shown = CliRunner().invoke(app, ["show", str(table)])
    assert shown.exit_code == 0
    assert "duplicate" in shown.stdout
    lines = {line.split()[0]: line.split()[1:] for line in shown.stdout.splitlines()}
    assert lines["a/c"] == ["1", "1"]
    assert lines["total"] == ["3", "1"]
    counts = json.loads(CliRunner().invoke(app, ["show", str(table.parent), "--json"]).stdout)
    assert counts["zebra"] == {"kept": 2}
    done = CliRunner().invoke(
        app, ["export", str(table), "--out", str(tmp_path / "x"), "--format", "webdataset"]
    )
    assert done.exit_code == 0
    assert "3 images" in done.stdout
