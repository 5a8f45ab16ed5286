"""Every export, read back through the reader that will read it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from susx.datasets import new_dataset, read_split
from susx.images.support import (
    export_coco,
    export_fiftyone,
    export_imagefolder,
    export_parquet,
    export_webdataset,
)
from susx.records import SupportRow
from susx.store import digest_file

CLASSES = ("woven cloth", "test tube", "a/c", "train", "=sum", "Valid-ation", "val", "evaluation of tests")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[SupportRow]]:
    folder = tmp_path_factory.mktemp("pictures")
    rows = []
    for label, name in enumerate(CLASSES):
        for number in range(12):
            file = folder / f"{label}-{number}.jpg"
            Image.fromarray(
                np.random.default_rng(100 * label + number).integers(0, 255, (40, 40, 3), dtype=np.uint8)
            ).save(file)
            rows.append(
                SupportRow(name, file.name, digest_file(file), "retrieved", "a photo", width=40, height=40)
            )
    return folder, rows


@pytest.mark.parametrize(
    "write", [export_imagefolder, export_webdataset, export_parquet, export_coco, export_fiftyone]
)
def test_susx_describes_and_reads_its_own_exports(
    write: Callable[..., int], pictures: tuple[Path, list[SupportRow]], tmp_path: Path
) -> None:
    """Class names come back as they were, in their order, and every image with its class."""
    folder, rows = pictures
    assert write(rows, CLASSES, lambda row: folder / row.file, tmp_path / "out") == len(rows)
    config = new_dataset("x", tmp_path / "out", tmp_path / "x.yaml")
    assert config.classes == CLASSES
    of_pixels = {np.asarray(Image.open(folder / row.file)).tobytes(): row.class_name for row in rows}
    seen = 0
    for split in ("val", "test"):
        found = read_split(config, tmp_path, split)
        assert found is not None
        for place, label in enumerate(found.labels):
            assert of_pixels[np.asarray(found.image(place)).tobytes()] == CLASSES[label]
            seen += 1
    assert seen > 20


def test_torchvision_reads_an_imagefolder_in_label_order(
    pictures: tuple[Path, list[SupportRow]], tmp_path: Path
) -> None:
    from torchvision.datasets import ImageFolder

    folder, rows = pictures
    export_imagefolder(rows, CLASSES, lambda row: folder / row.file, tmp_path / "out")
    read = ImageFolder(str(tmp_path / "out"))
    digests = {row.digest: row.class_name for row in rows}
    assert {digests[digest_file(Path(file))]: label for file, label in read.samples} == {
        name: label for label, name in enumerate(CLASSES)
    }


def test_no_folder_of_an_imagefolder_is_a_split_for_datasets(
    pictures: tuple[Path, list[SupportRow]], tmp_path: Path
) -> None:
    """``datasets`` looks for these words between separators, in small letters, anywhere in a path."""
    folder, rows = pictures
    export_imagefolder(rows, CLASSES, lambda row: folder / row.file, tmp_path / "out")
    word = re.compile(
        r"(^|[-._ 0-9/])(train|training|val|valid|validation|dev|test|testing|eval|evaluation)([-._ 0-9/]|$)"
    )
    names = [path.name for path in (tmp_path / "out").iterdir() if path.is_dir()]
    assert len(names) == len(CLASSES)
    assert not [name for name in names if word.search(name)]


def test_more_than_a_thousand_classes_sort_in_label_order(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg")
    classes = [f"class {number}" for number in range(1002)]
    rows = [
        SupportRow(classes[number], "a.jpg", f"{number:064d}", "provided", "")
        for number in (5, 999, 1000, 1001)
    ]
    export_imagefolder(rows, classes, lambda row: tmp_path / row.file, tmp_path / "out")
    folders = sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir())
    assert folders == ["0005_class_5", "0999_class_999", "1000_class_1000", "1001_class_1001"]


def test_the_webdataset_library_reads_the_export(
    pictures: tuple[Path, list[SupportRow]], tmp_path: Path
) -> None:
    webdataset = pytest.importorskip("webdataset")
    folder, rows = pictures
    export_webdataset(rows, CLASSES, lambda row: folder / row.file, tmp_path / "out")
    shards = str(next((tmp_path / "out").glob("*.tar")))
    labels = [int(sample["cls"]) for sample in webdataset.WebDataset(shards, shardshuffle=False)]
    assert sorted(labels) == sorted(CLASSES.index(row.class_name) for row in rows)
