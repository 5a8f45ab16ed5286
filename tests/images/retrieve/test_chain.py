"""Several sources: the next fills what the former could not, and one that is down costs three tries of the whole build."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from susx.config import RetrievalConfig
from susx.encoder_id import EncoderId
from susx.errors import ConfigError, RetrievalError
from susx.images.retrieve import Query, search
from susx.images.retrieve.backends import backend_settings
from susx.images.retrieve.backends.backend import Opening
from susx.images.retrieve.backends.chain import ChainBackend
from susx.testing.collections import Picture
from susx.testing.encoders import WordEncoder
from susx.testing.http_openverse import OpenverseServer

ENCODER = EncoderId("words", "d" * 64, "fp32")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUSX_CACHE", str(tmp_path / "cache"))


def shown(name: str, number: int) -> list[Picture]:
    return [
        Picture(name, f"a {name} {at}", b"", "A", "by 2.0", f"https://p.example/{name}/{at}")
        for at in range(number)
    ]


def table(folder: Path, captions: list[str], licence: str = "cc0") -> Path:
    links = [f"http://example.org/{at}.jpg" for at in range(len(captions))]
    pd.DataFrame({"caption": captions, "url": links, "license": licence}).to_parquet(folder / "t.parquet")
    return folder / "t.parquet"


def chain(data: Path, server: OpenverseServer, work: Path, **more: object) -> ChainBackend:
    section = {
        "backend": "chain", "sources": "parquet,openverse", "parquet": {"data": str(data)},
        "openverse": {"address": server.address, "timeout": 1.0}, **more,
    }  # fmt: skip
    backend = backend_settings(RetrievalConfig.model_validate(section)).open(
        Opening(WordEncoder(), work=work, build="one")
    )
    assert isinstance(backend, ChainBackend)
    return backend


def query(name: str, wanted: int, **more: object) -> Query:
    return Query(name, name, name, wanted, subject=name, **more)  # type: ignore[arg-type]


def test_the_next_is_asked_for_what_is_missing(tmp_path: Path) -> None:
    """Per class: a class that the first fills is no question to the second; words and licences that do not count fill nothing."""
    data = table(tmp_path, ["cat"] * 3 + ["dog"] * 9 + ["bird cage"] * 9)
    with OpenverseServer(shown("cat", 30) + shown("bird", 30)) as server:
        backend = chain(data, server, tmp_path / "work")
        queries = [query("cat", 10), query("dog", 5), query("bird", 4, exclude=("cage",))]
        cats, dogs, birds = search(backend, queries)
        assert [one.source for one in cats] == ["parquet"] * 3 + ["openverse"] * 7
        assert {one.source for one in dogs} == {"parquet"}
        assert [one.source for one in birds] == ["openverse"] * 4
        assert {one.parameters["q"] for one in server.asked} == {"cat", "bird"}
        limited = chain(data, server, tmp_path / "work", licence="by")
        assert [one.source for one in search(limited, [query("cat", 4)], ("by",))[0]] == ["openverse"] * 4


@pytest.mark.parametrize("behaviour", ["503", "html", "hang"])
def test_one_that_is_down_is_left_out_for_the_build(tmp_path: Path, behaviour: str) -> None:
    data = table(tmp_path, ["cat"] * 30)
    with OpenverseServer(always=behaviour) as server:
        for _ in range(3):  # as three processes of a build do
            backend = chain(data, server, tmp_path / "work", sources="openverse,parquet")
            for at in range(4):
                [found] = search(backend, [query("cat", 5 + at)])
                assert {one.source for one in found} == {"parquet"}
            assert "openverse" in backend.left_out
        assert len(server.asked) <= 3


def test_when_all_are_down(tmp_path: Path) -> None:
    """One paragraph that says of each what is wrong."""
    data = table(tmp_path, ["cat"])
    with OpenverseServer(always="503") as server:
        backend = chain(data, server, tmp_path / "work")
        data.unlink()
        with pytest.raises(RetrievalError, match=r"None of the sources.*t\.parquet.*openverse .*HTTP 503"):
            search(backend, [query("cat", 3)])


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({}, "needs retrieval.sources, some of gbif, inaturalist"),
        ({"sources": "lance,openvers"}, "'openvers' cannot be one of several.*openverse"),
        ({"sources": ["demo", "openverse"]}, "'demo' cannot be one of several"),
        ({"sources": "openverse", "data": "x"}, "unknown key 'retrieval.data' of the backend 'chain'"),
        (
            {"sources": "openverse", "openverse": {"sise": 1}},
            "unknown key 'retrieval.sise' of the backend 'openverse'",
        ),
        ({"sources": "openverse,parquet"}, "needs retrieval.data"),
    ],
)
def test_settings_of_a_chain(section: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        backend_settings(RetrievalConfig.model_validate({"backend": "chain", **section})).identity(ENCODER)


def test_identity_of_a_chain(tmp_path: Path) -> None:
    """That of its sources, in their order; where one is not there it is another."""
    data = table(tmp_path, ["cat"])
    section = {"backend": "chain", "sources": "openverse,parquet", "parquet": {"data": str(data)}}
    settings = backend_settings(RetrievalConfig.model_validate(section))
    whole = settings.identity(ENCODER)
    assert [one["backend"] for one in whole["sources"]] == ["openverse", "parquet"]
    data.unlink()
    assert settings.identity(ENCODER) != whole
