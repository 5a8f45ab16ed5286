"""What a real profile searches by itself: a Lance data set on the Hub where it can be reached, else the next source."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from susx.config import RetrievalConfig, load_profile
from susx.encoder_id import EncoderId
from susx.errors import RetrievalError
from susx.images.retrieve import Candidate, Query, search
from susx.images.retrieve.backends import backend_settings
from susx.images.retrieve.backends.auto import LAION_1M
from susx.images.retrieve.backends.backend import Opening
from susx.images.retrieve.web import reach
from susx.testing.collections import Picture
from susx.testing.encoders import WordEncoder
from susx.testing.http_hub import LocalHub
from susx.testing.http_openverse import OpenverseServer
from susx.testing.http_server import LoopbackServer, QuietHandler

lancedb = pytest.importorskip("lancedb")

IDENTITY = EncoderId("words", "d" * 64, "fp32")


class Failing(LoopbackServer):
    """A Hub that fails, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        super().__init__(_Handler)


class _Handler(QuietHandler):
    def do_GET(self) -> None:
        with self.state.lock:
            self.state.asked += 1
        self.send_response(503)
        self.end_headers()


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUSX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(reach, "_silent", {})


@pytest.fixture
def openverse() -> Iterator[OpenverseServer]:
    shown = [
        Picture("cat", f"a cat {at}", b"", "A", "by 2.0", f"https://p.example/cat/{at}") for at in range(9)
    ]
    with OpenverseServer(shown) as server:
        yield server


def written(folder: Path, number: int = 40) -> Path:
    """Write a data set of captioned pictures as ``folder/train.lance``."""
    rows = {
        "image": [f"jpeg {at}".encode() for at in range(number)],
        "caption": [f"a cat {at}" for at in range(number)],
    }
    lancedb.connect(str(folder)).create_table("train", pa.table(rows))
    return folder / "train.lance"


def built(server: OpenverseServer, work: Path, **more: object) -> list[Candidate]:
    """Do as a build does: identify the source, open it, identify it again, search."""
    section = {"backend": "auto", "openverse": {"address": server.address}, **more}
    settings = backend_settings(RetrievalConfig.model_validate(section))
    before = settings.identity(IDENTITY)
    opened = settings.open(Opening(WordEncoder(), work=work, build="one"))
    assert settings.identity(IDENTITY) == before
    return search(opened, [Query("cat", "cat", "cat", 5, subject="cat")])[0]


def test_the_hub_s_data_set_comes_first(
    openverse: OpenverseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``hf://`` is read by lance itself, here from a Hub on loopback; nobody else is asked, and of the images those found alone are read."""
    folder = tmp_path / "db"
    written(folder)
    files = {
        f"data/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }  # fmt: skip
    with LocalHub() as hub:
        hub.add("dataset", "lance-format/laion-1m", files)
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_TOKEN", "not-to-be-seen")
        found = built(openverse, tmp_path)
        assert [one.image for one in found] == [f"jpeg {at}".encode() for at in range(5)]
        assert {one.source for one in found} == {"lance"}
        assert not openverse.asked
        assert any(
            line.startswith("GET /datasets/lance-format/laion-1m/resolve/main/data/train.lance/")
            for line in hub.requests
        )


@pytest.mark.parametrize("local", [True, False])
def test_a_data_set_of_one_s_own(openverse: OpenverseServer, tmp_path: Path, local: bool) -> None:
    """A path in place of the Hub's; a path where nothing is leaves the source out."""
    place = written(tmp_path / "db") if local else tmp_path / "nothing.lance"
    found = built(openverse, tmp_path, lance={"data": str(place)})
    assert {one.source for one in found} == {"lance" if local else "openverse"}
    assert len(found) == 5


def test_a_hub_that_fails_costs_three_tries_of_the_whole_build(
    openverse: OpenverseServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Within ten seconds, over identity, opening and search; the next source is asked, and the reason is said."""
    with Failing() as hub:
        monkeypatch.setenv("HF_ENDPOINT", f"http://{hub.host}")
        start = time.monotonic()
        assert {one.source for one in built(openverse, tmp_path)} == {"openverse"}
        assert time.monotonic() - start < 10
        assert hub.asked == 3
    assert "lance is left out" in caplog.text
    assert "is failing (HTTP 503)" in caplog.text


def test_without_lancedb_the_next_is_asked(
    openverse: OpenverseServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An extra that is not installed is no reason to refuse a build that names no source; one that is named refuses it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert {one.source for one in built(openverse, tmp_path)} == {"openverse"}
    assert "pip install 'susx[lance]'" in caplog.text


def test_nothing_can_be_used(openverse: OpenverseServer, tmp_path: Path) -> None:
    """The reasons of all, in one paragraph."""
    openverse.always = "503"
    with pytest.raises(RetrievalError, match=r"None of the sources can be used.*nothing.lance.*HTTP 503"):
        built(openverse, tmp_path, lance={"data": str(tmp_path / "nothing.lance")})


@pytest.mark.parametrize("profile", ["clip-vit-b32", "clip-vit-b16", "siglip2-b16", "laion-vit-l14"])
def test_real_profiles_search_by_themselves(profile: str) -> None:
    settings = backend_settings(load_profile(profile).retrieval)
    assert settings.backend == "auto"
    assert settings.links["lance"].data == LAION_1M  # type: ignore[attr-defined]
