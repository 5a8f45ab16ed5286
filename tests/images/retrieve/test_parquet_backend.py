"""The backend ``parquet``: names looked up in labels and captions, whole rows read of what is found alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from susx.config import RetrievalConfig
from susx.encoder_id import EncoderId
from susx.errors import ConfigError, RetrievalError
from susx.images.retrieve import Query, search
from susx.images.retrieve.backends import backend_settings
from susx.images.retrieve.backends.backend import Opening
from susx.images.retrieve.backends.parquet import ParquetBackend
from susx.testing.encoders import WordEncoder

ENCODER = EncoderId("words", "d" * 64, "fp32")


def query(name: str, wanted: int = 10, **more: object) -> Query:
    return Query(name, f"A photo of a {name}.", f"A photo of a {name}.", wanted, subject=name, **more)  # type: ignore[arg-type]


def opened(data: object, work: Path | None = None, **settings: object) -> ParquetBackend:
    config = RetrievalConfig.model_validate({"backend": "parquet", "data": str(data), **settings})
    backend = backend_settings(config).open(Opening(WordEncoder(), work=work))
    assert isinstance(backend, ParquetBackend)
    return backend


def table(path: Path, captions: list[str | None], **columns: list[object]) -> Path:
    links = [f"http://example.org/{path.stem}/{at}.jpg" for at in range(len(captions))]
    pd.DataFrame({"caption": captions, "url": links, **columns}).to_parquet(path, row_group_size=3)
    return path


def captions_of(backend: ParquetBackend, *queries: Query) -> list[list[str | None]]:
    return [[one.caption for one in found] for found in search(backend, queries)]


def test_names_are_whole_words_in_order_in_plural_and_any_case(tmp_path: Path) -> None:
    """A hot dog is found as such; a caption that says little else comes first; equals in the order of the table."""
    file = table(
        tmp_path / "t.parquet",
        ["Two HOT-DOGS on a plate with mustard", "hot and a dog", None, "a hot dog", "hotdogs", "Dog, hot", "hot dogs"],
    )  # fmt: skip
    assert captions_of(opened(file), query("hot dog")) == [
        ["hot dogs", "a hot dog", "Two HOT-DOGS on a plate with mustard"]
    ]


def test_sentences_of_a_class_share_what_is_found(tmp_path: Path) -> None:
    """No candidate twice, as many as all of them want."""
    file = table(tmp_path / "t.parquet", [f"a cat {'so ' * at}" for at in range(9)])
    sentences = [Query("cat", text, text, 2, subject="cat") for text in ("one", "two", "three")]
    found = search(opened(file), sentences)
    assert [len(own) for own in found] == [2, 2, 2]
    flat = [one for own in found for one in own]
    assert len({one.item for one in flat}) == 6
    assert [one.query for one in flat] == ["one", "one", "two", "two", "three", "three"]
    assert [one.similarity for one in flat] == sorted((one.similarity for one in flat), reverse=True)


def test_a_label_is_the_name_itself(tmp_path: Path) -> None:
    """Labels of ``datasets`` are numbers with names in the schema; "hot dog" is no dog; labels come before captions."""
    features = {"label": {"_type": "ClassLabel", "names": ["hot dog", "dog"]}}
    schema = pa.schema(
        [("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("label", pa.int64()), ("caption", pa.string())],
        {"huggingface": json.dumps({"info": {"features": features}})},
    )  # fmt: skip
    rows = [
        {"image": {"bytes": b"1", "path": None}, "label": 0, "caption": "lunch"},
        {"image": {"bytes": b"2", "path": None}, "label": 1, "caption": "our Rex with a ball"},
        {"image": {"bytes": b"3", "path": None}, "label": -1, "caption": "dog"},
        {"image": {"bytes": b"4", "path": None}, "label": None, "caption": "hot dog stand"},
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema), tmp_path / "t.parquet")
    found = search(opened(tmp_path), [query("dog")])[0]
    assert [one.image for one in found] == [b"2", b"3", b"4"]
    assert [one.image for one in search(opened(tmp_path, label="label"), [query("hot dog")])[0]] == [
        b"1", b"4",
    ]  # fmt: skip


def test_lists_of_labels(tmp_path: Path) -> None:
    pd.DataFrame(
        {"labels": [["Cat", "Sofa"], ["Dog"], []], "url": ["http://a/1", "http://a/2", "http://a/3"]}
    ).to_parquet(tmp_path / "t.parquet")
    assert [one.url for one in search(opened(tmp_path), [query("cat")])[0]] == ["http://a/1"]


def test_licences_are_pushed_into_the_table(tmp_path: Path) -> None:
    """With a filter the rows that pass fill the budget; those of no licence do not pass."""
    file = table(
        tmp_path / "t.parquet", ["cat"] * 6,
        license=["by-nc", None, "CC BY 4.0", "http://creativecommons.org/publicdomain/zero/1.0/", "own terms", "by"],
        creator=list("abcdef"),
    )  # fmt: skip
    found = search(opened(file, licence="cc0,by"), [query("cat", 3)], ("cc0", "by"))[0]
    assert [(one.author, one.refused) for one in found] == [("c", ""), ("d", ""), ("f", "")]


class _Counting(MemoryFileSystem):  # type: ignore[misc]
    """Files in memory that count the bytes that are read of them."""

    protocol = "counted"
    store: dict[str, object] = {}  # noqa: RUF012
    read: int = 0

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.replace("counted://", "memory://")))

    def _open(self, path: str, mode: str = "rb", **options: object) -> object:
        file = super()._open(path, mode, **options)
        if mode == "rb":
            plain = file.read

            def read(size: int = -1) -> bytes:
                data = plain(size)
                _Counting.read += len(data)
                return bytes(data)

            file.read = read
        return file


@pytest.fixture
def elsewhere() -> Iterator[fsspec.AbstractFileSystem]:
    fsspec.register_implementation("counted", _Counting, clobber=True)
    yield _Counting()
    _Counting.store.clear()


def test_of_files_elsewhere_the_texts_are_read_once_and_images_of_what_is_found(
    tmp_path: Path, elsewhere: fsspec.AbstractFileSystem
) -> None:
    """A second class reads no text again; the images of other row groups are never read."""
    captions = ["cat" if at < 4 else "dog" if at > 95 else "pebble" for at in range(100)]
    images = [bytes([at % 251]) * 20_000 for at in range(100)]
    pd.DataFrame({"caption": captions, "image": images}).to_parquet(
        tmp_path / "t.parquet", row_group_size=10, compression=None
    )
    elsewhere.put_file(str(tmp_path / "t.parquet"), "/set/t.parquet")
    backend = opened("counted://set", tmp_path / "work")
    _Counting.read = 0
    assert [one.image for one in search(backend, [query("cat")])[0]] == images[:4]
    first = _Counting.read
    assert 80_000 < first < 450_000, first
    assert len(search(backend, [query("bird")])[0]) == 0
    assert _Counting.read == first
    again = opened("counted://set", tmp_path / "work")
    _Counting.read = 0
    assert len(search(again, [query("bird")])[0]) == 0
    assert _Counting.read < 70_000, "the end of the file alone"
    settings = backend_settings(
        RetrievalConfig.model_validate({"backend": "parquet", "data": "counted://set"})
    )
    before = settings.identity(ENCODER)
    pd.DataFrame({"caption": captions[:50], "image": images[:50]}).to_parquet(tmp_path / "t.parquet")
    elsewhere.put_file(str(tmp_path / "t.parquet"), "/set/t.parquet")
    assert settings.identity(ENCODER) != before


def test_captions_are_an_even_sample_over_all_files(tmp_path: Path) -> None:
    for at in range(3):
        table(tmp_path / f"{at}.parquet", [f"cat {at}-{n}" if n else None for n in range(10)])
    backend = opened(tmp_path)
    assert len(backend.captions(100)) == 30
    assert backend.captions(100)[:2] == [None, "cat 0-1"]
    assert backend.captions(6) == [None, "cat 0-5", None, "cat 1-5", None, "cat 2-5"]


@pytest.mark.parametrize(
    ("columns", "settings", "error", "words"),
    [
        ({"x": [1], "url": ["u"]}, {}, RetrievalError, "neither captions nor labels.*columns are x, url"),
        ({"caption": ["a"]}, {}, RetrievalError, "neither images nor links"),
        ({"caption": ["a"], "url": ["u"]}, {"caption": "captoin"}, ConfigError, "no column 'captoin'.*caption"),
    ],
)  # fmt: skip
def test_tables_that_cannot_be_searched(
    tmp_path: Path, columns: dict[str, list[object]], settings: dict[str, str], error: type[Exception], words: str
) -> None:  # fmt: skip
    pd.DataFrame(columns).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(error, match=words):
        opened(tmp_path / "t.parquet", **settings)


def test_files_that_are_none(tmp_path: Path) -> None:
    """Half a file, a file of another kind, a folder of others, files of two kinds."""
    whole = table(tmp_path / "whole.parquet", ["cat"] * 30).read_bytes()
    (tmp_path / "half.parquet").write_bytes(whole[: len(whole) // 2])
    for name in ("half.parquet",):
        with pytest.raises(RetrievalError, match=r"half\.parquet cannot be read as parquet"):
            opened(tmp_path / name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RetrievalError, match=r"holds no \.parquet files"):
        opened(tmp_path / "empty")
    (tmp_path / "mixed").mkdir()
    table(tmp_path / "mixed" / "a.parquet", ["cat"])
    pd.DataFrame({"text": ["cat"], "url": ["u"]}).to_parquet(tmp_path / "mixed" / "b.parquet")
    with pytest.raises(RetrievalError, match="lacks the columns caption"):
        search(opened(tmp_path / "mixed"), [query("cat")])
    with pytest.raises(ConfigError, match="cannot be opened here"):
        opened("nosuch://a/b")
