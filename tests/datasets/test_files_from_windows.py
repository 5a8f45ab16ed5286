"""Lists, tables and split files as Windows writes them, through the readers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image

from susx.config import DatasetConfig, ReaderConfig, load_dataset
from susx.datasets import check_dataset
from susx.errors import ConfigError

MARK = b"\xef\xbb\xbf"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (40, 40)).save(tmp_path / name / "0.jpg")
    return tmp_path


def _config(
    kind: str, options: Mapping[str, str], classes: tuple[str, ...] = ("cat", "dog")
) -> DatasetConfig:
    reader = ReaderConfig.model_validate({"kind": kind, "folder": "", "options": options})
    return DatasetConfig.model_validate({"name": "x", "classes": classes, "reader": reader.model_dump()})


_SPLIT = json.dumps(
    {key: [["cat\\0.jpg", 0, "cat"], ["dog\\0.jpg", 1, "dog"]] for key in ("train", "val", "test")}
)


@pytest.mark.parametrize(
    ("content", "kind", "options"),
    [
        (MARK + b"cat/0.jpg\r\ndog/0.jpg\r\n", "imagefolder", {"test_list": "f"}),
        (b"cat\\0.jpg\r\ndog\\0.jpg\r\n", "imagefolder", {"test_list": "f"}),
        ("cat/0.jpg\ndog/0.jpg\n".encode("utf-16"), "imagefolder", {"test_list": "f"}),
        (MARK + b"path,class,split\r\ncat\\0.jpg,cat,test\r\ndog\\0.jpg,dog,test\r\n", "csv", {"file": "f"}),
        (_SPLIT.encode(), "coop", {"file": "f"}),
        (MARK + _SPLIT.encode(), "coop", {"file": "f"}),
        (MARK + b"1 cat\\0.jpg\r\n2 dog/0.jpg\r\n", "imagefolder", {"paths": "f", "flags": "flags"}),
    ],
)
def test_what_windows_wrote_is_read(
    pictures: Path, content: bytes, kind: str, options: Mapping[str, str]
) -> None:
    (pictures / "f").write_bytes(content)
    (pictures / "flags").write_bytes(MARK + b"1 0\r\n2 0\r\n")
    result = check_dataset(_config(kind, options), pictures)
    assert result.problems == ()
    assert {split.split: split.per_class for split in result.splits}["test"] == (1, 1)


@pytest.mark.parametrize(
    ("content", "kind", "options"),
    [
        ("cat/caf\xe9.jpg\r\n", "imagefolder", {"test_list": "f"}),
        ("path,class,split\r\ncat/0.jpg,caf\xe9,test\r\n", "csv", {"file": "f"}),
        ("1 cat/caf\xe9.jpg\r\n", "imagefolder", {"paths": "f", "flags": "f"}),
    ],
)
def test_windows_own_encoding_is_refused_in_a_sentence(
    pictures: Path, content: str, kind: str, options: Mapping[str, str]
) -> None:
    (pictures / "f").write_bytes(content.encode("cp1252"))
    problems = check_dataset(_config(kind, options), pictures).problems
    assert any("Save the file as UTF-8" in problem for problem in problems)


def test_a_description_with_a_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / "d.yaml").write_bytes(MARK + b"name: d\r\nclasses: [cat, dog]\r\n")
    assert load_dataset(str(tmp_path / "d.yaml")).classes == ("cat", "dog")
    (tmp_path / "d.yaml").write_bytes("name: d\nclasses: [caf\xe9, dog]\n".encode("cp1252"))
    with pytest.raises(ConfigError, match="Save the file as UTF-8"):
        load_dataset(str(tmp_path / "d.yaml"))
