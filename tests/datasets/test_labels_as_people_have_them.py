"""Labels as published copies have them: names twice, no label, an order a file, several configurations, numbers of other types."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from susx.config import load_dataset
from susx.datasets import check_dataset, new_dataset, read_split
from susx.datasets.hub_tables import open_tables, split_files
from susx.errors import ConfigError

_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def _encoded(seed: int, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(
        file, kind
    )
    return file.getvalue()


def _table(file: Path, labels: pa.Array, names: Sequence[str] | None = None) -> None:
    about: dict[str, Any] = {"image": {"_type": "Image"}}
    if names is not None:
        about["label"] = {"_type": "ClassLabel", "names": list(names)}
    images = pa.array([{"bytes": _encoded(n), "path": f"{n}.png"} for n in range(len(labels))], _IMAGE)
    metadata = {b"huggingface": json.dumps({"info": {"features": about}}).encode()} if names else None
    schema = pa.schema([("image", _IMAGE), ("label", labels.type)], metadata)
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"image": images, "label": labels}, schema=schema), file)


def _labels(folder: Path, split: str = "test") -> list[str]:
    return [row.label for row in open_tables(folder).rows(split)]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (pa.array(["zebra", "ant"]).dictionary_encode(), None),
        (pa.array(["zebra", "ant"], pa.large_string()), None),
        (pa.array(["zebra", "ant"], pa.string_view()), None),
        (pa.array([0.0, 1.0]), ("zebra", "ant")),
        (pa.array([0, 1], pa.uint8()), ("zebra", "ant")),
        (pa.array([False, True]), ("zebra", "ant")),
        (pa.array(["0", " ant "]), ("zebra", "ant")),  # a ClassLabel in a column of text
    ],
)
def test_labels_of_every_type_that_names_a_class(
    labels: pa.Array, names: Sequence[str] | None, tmp_path: Path
) -> None:
    _table(tmp_path / "x" / "test.parquet", labels, names)
    assert _labels(tmp_path / "x") == ["zebra", "ant"]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (pa.array(["zebra", None]), None),
        (pa.array(["zebra", " "]), None),
        (pa.array([0, None]), ("zebra", "ant")),
        (pa.array([0, -1]), ("zebra", "ant")),
        (pa.array([0.0, float("nan")]), ("zebra", "ant")),
        (pa.array([0.0, 0.5]), ("zebra", "ant")),
        (pa.array([[0], [0, 1]]), ("zebra", "ant")),
        (pa.array([0, 1]), None),
        (pa.array(["zebra", "yak"]), ("zebra", "ant")),
        (pa.array(["zebra", "2"]), ("zebra", "ant")),
        (pa.array([Decimal(0), Decimal(1)]), ("zebra", "ant")),
    ],
)
def test_a_row_without_a_label_is_refused(
    labels: pa.Array, names: Sequence[str] | None, tmp_path: Path
) -> None:
    """No class is ever called None; nothing is written."""
    _table(tmp_path / "x" / "test.parquet", labels, names)
    with pytest.raises(ConfigError, match="label"):
        new_dataset("x", tmp_path / "x", tmp_path / "x.yaml")
    assert not (tmp_path / "x.yaml").exists()


@given(st.lists(st.permutations(["ant", "bee", "cat", "dog"]), min_size=1, max_size=4))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_file_numbers_its_classes_by_its_own_names(
    tmp_path_factory: pytest.TempPathFactory, orders: list[list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("x")
    for number, names in enumerate(orders):
        _table(folder / f"test-{number:05d}-of-{len(orders):05d}.parquet", pa.array(range(4)), names)
    assert _labels(folder) == [name for names in orders for name in names]


def test_two_configurations_of_one_repository_are_not_merged(tmp_path: Path) -> None:
    for home in ("160px", "full_size"):
        _table(tmp_path / home / "test-00000-of-00001.parquet", pa.array(["a", "b"]))
    with pytest.raises(ConfigError, match=r"2 configurations with a split test: 160px, full_size"):
        open_tables(tmp_path)
    assert _labels(tmp_path / "160px") == ["a", "b"]


@pytest.mark.parametrize(
    ("file", "split"),
    [
        ("data/test-00000-of-00001.parquet", "test"), ("my_test.parquet", "test"), ("imagenet-val.parquet", "val"),
        ("data/test_matched-00000-of-00001.parquet", "test_matched"), ("default/validation/0000.parquet", "val"), ("contest.parquet", "train"),
        ("evaluation.parquet", "train"), ("train/data-00000-of-00001.arrow", "train"),
    ],
)  # fmt: skip
def test_the_split_of_a_table_by_its_path(file: str, split: str, tmp_path: Path) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_bytes(b"")
    assert list(split_files(tmp_path)) == [split]


def _webdataset(folder: Path, names: str, samples: Mapping[str, bytes]) -> None:
    (folder / "test").mkdir(parents=True)
    (folder / "classnames.txt").write_text(names)
    with tarfile.open(folder / "test" / "0.tar", "w") as tar:
        for name, content in samples.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def test_class_names_that_repeat_are_refused_with_both_lines(tmp_path: Path) -> None:
    _webdataset(
        tmp_path / "w", "missile\nsunglasses\nmissile\n", {"0.jpg": _encoded(0, "JPEG"), "0.cls": b"0"}
    )
    with pytest.raises(ConfigError, match=r"'missile' stands in line 1 and in line 3"):
        new_dataset("w", tmp_path / "w", tmp_path / "w.yaml")


@pytest.mark.parametrize("form", ["{}", "./{}", "train.v1/{}"])
def test_samples_are_found_whatever_their_names(form: str, tmp_path: Path) -> None:
    samples = {}
    for number in range(3):
        samples[form.format(f"photo.20{number}.JPG")] = _encoded(number, "JPEG")
        samples[form.format(f"photo.20{number}.CLS")] = str(number).encode()
    _webdataset(tmp_path / "w", "a\nb\nc\n", samples)
    config = new_dataset("w", tmp_path / "w", tmp_path / "w.yaml")
    found = read_split(config, tmp_path, "test")
    assert found is not None
    assert found.labels == (0, 1, 2)


def test_a_copy_whose_images_cannot_be_decoded_is_not_complete(tmp_path: Path) -> None:
    """What a build refuses, ``check`` refuses: here files that are named images and are none."""
    for name in ("a", "b"):
        (tmp_path / "x" / name).mkdir(parents=True)
        for number in range(20):
            (tmp_path / "x" / name / f"{number}.jpg").write_bytes(
                b"nothing" if number % 2 else _encoded(number, "JPEG")
            )
    config = new_dataset("x", tmp_path / "x", tmp_path / "x.yaml")
    problems = check_dataset(config, tmp_path).problems
    assert any("cannot be decoded" in problem for problem in problems)


def test_two_folders_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("hot_dog", "hot dog"):
        (tmp_path / "x" / name).mkdir(parents=True)
    with pytest.raises(ConfigError, match="both called 'hot dog'"):
        new_dataset("x", tmp_path / "x", tmp_path / "x.yaml")


def _wds(folder: Path, label: int) -> Path:
    (folder / "test").mkdir(parents=True, exist_ok=True)
    (folder / "classnames.txt").write_text("zebra\nant\n")
    (folder / "test" / "nshards.txt").write_text("1")
    shard = folder / "test" / "0.tar"
    with tarfile.open(shard, "w") as tar:
        for ending, data in (("cls", str(label).encode()), ("bmp", _encoded(label, "BMP"))):
            member = tarfile.TarInfo(f"s0.{ending}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return shard


def _hub(folder: Path, label: int) -> Path:
    file = folder / "test.arrow"
    folder.mkdir(exist_ok=True)
    about = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["zebra", "ant"]}}
    metadata = {b"huggingface": json.dumps({"info": {"features": about}}).encode()}
    images = pa.array([{"bytes": _encoded(label, "BMP"), "path": "x.bmp"}], _IMAGE)
    schema = pa.schema([("image", _IMAGE), ("label", pa.int64())], metadata)
    table = pa.table({"image": images, "label": pa.array([label])}, schema=schema)
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        writer.write_table(table)
    return file


@pytest.mark.parametrize("write", [_wds, _hub])
def test_a_copy_that_is_replaced_in_one_process_is_read_anew(
    write: Callable[[Path, int], Path], tmp_path: Path
) -> None:
    """Of the same size and with its time set back, as ``rsync -t`` and tar leave it: labels and pictures are the new ones."""
    file = write(tmp_path / "x", 0)
    new_dataset("x", tmp_path / "x", tmp_path / "x.yaml")
    dataset = load_dataset(str(tmp_path / "x.yaml"))
    for label in (0, 1):
        before = file.stat()
        file.unlink()
        write(tmp_path / "x", label)
        assert file.stat().st_size == before.st_size
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        split = read_split(dataset, tmp_path, "test")
        assert split is not None
        assert [dataset.classes[number] for number in split.labels] == [["zebra", "ant"][label]]
        np.testing.assert_array_equal(
            np.asarray(split.image(0)), np.asarray(Image.open(io.BytesIO(_encoded(label))))
        )
