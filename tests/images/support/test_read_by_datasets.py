"""Every export that the ``datasets`` library reads, read by it: more than a thousand classes, some of them called as splits are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from susx.images.support import export_imagefolder, export_parquet, export_webdataset
from susx.records import SupportRow
from susx.store import digest_bytes, digest_file

HOSTILE = (
    "train",
    "test",
    "val",
    "validation",
    "test tube",
    "a/c",
    "Train",
    "dev",
    "evaluation of tests",
    "7",
)
CLASSES = tuple(
    HOSTILE[label // 101] if label % 101 == 0 and label // 101 < len(HOSTILE) else f"class {label}"
    for label in range(1010)
)
TWICE = 3
"""Classes with two images."""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[SupportRow]]:
    """An image a class, each with a grey of its own."""
    folder = tmp_path_factory.mktemp("many")
    rows = []
    for number in range(len(CLASSES) + TWICE):
        label = number % len(CLASSES)
        pixels = np.array([[number // 256, number % 256]] * 2, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        digest = digest_file(folder / f"{number}.png")
        rows.append(SupportRow(CLASSES[label], f"{number}.png", digest, "provided", "", width=2, height=2))
    return folder, rows


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The library, without a network, with a cache of its own."""
    library = pytest.importorskip("datasets")
    monkeypatch.setattr(library.config, "HF_DATASETS_OFFLINE", True)
    monkeypatch.setattr(library.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    library.disable_progress_bars()
    return library


def number_of(image: Image.Image) -> int:
    """Return which image it is, told by its grey."""
    high, low = np.asarray(image.convert("L"))[0]
    return int(high) * 256 + int(low)


def by_folder(datasets: Any, out: Path) -> dict[int, str]:
    read = datasets.load_dataset("imagefolder", data_dir=str(out))
    assert list(read) == ["train"]
    names = read["train"].features["label"].names
    # The label that the library gives is the one of susx.
    assert [int(name.partition("_")[0]) for name in names] == list(range(len(CLASSES)))
    return {number_of(row["image"]): CLASSES[row["label"]] for row in read["train"]}


def by_table(datasets: Any, out: Path) -> dict[int, str]:
    read = datasets.load_dataset(str(out))
    assert list(read) == ["train"]
    assert tuple(read["train"].features["label"].names) == CLASSES
    raw = read["train"].cast_column("image", datasets.Image(decode=False))
    assert digest_bytes(raw[0]["image"]["bytes"]) == raw[0]["digest"], "the file's own bytes"
    return {number_of(row["image"]): CLASSES[row["label"]] for row in read["train"]}


def by_tar(datasets: Any, out: Path) -> dict[int, str]:
    shards = sorted(str(path) for path in out.glob("*.tar"))
    assert len(shards) == 2
    read = datasets.load_dataset("webdataset", data_files={"train": shards})["train"]
    assert {row["json"]["class_name"] == CLASSES[int(row["cls"])] for row in read} == {True}
    return {number_of(row["jpg"]): row["json"]["class_name"] for row in read}


FORMATS: dict[str, tuple[Callable[..., int], Callable[[Any, Path], dict[int, str]]]] = {
    "imagefolder": (export_imagefolder, by_folder),
    "parquet": (export_parquet, by_table),
    "webdataset": (export_webdataset, by_tar),
}


@pytest.mark.parametrize("form", FORMATS)
def test_labels_are_those_that_were_exported(
    form: str, exported: tuple[Path, list[SupportRow]], datasets: Any, tmp_path: Path
) -> None:
    """Each image has its class's name and number, in one split, and none is missing."""
    folder, rows = exported
    write, read = FORMATS[form]
    assert write(rows, CLASSES, lambda row: folder / row.file, tmp_path / "out") == len(rows)
    assert read(datasets, tmp_path / "out") == {number: row.class_name for number, row in enumerate(rows)}
