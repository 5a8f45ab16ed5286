"""The backend ``viewer`` against its loopback twin."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from susx.config import DownloadConfig, RetrievalConfig
from susx.errors import ConfigError, LimitReached, RetrievalError
from susx.images.retrieve import Candidate, Query, search
from susx.images.retrieve.backends import backend_settings
from susx.images.retrieve.backends.backend import Opening
from susx.testing.collections import Picture, pictures
from susx.testing.encoders import WordEncoder
from susx.testing.http_viewer import DATASET, ViewerServer


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUSX_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_TOKEN", raising=False)


def find(
    server: ViewerServer, work: Path, name: str = "banded", wanted: int = 5, **settings: object
) -> list[Candidate]:
    section = {"backend": "viewer", "address": server.address, "dataset": DATASET, **settings}
    opened = backend_settings(RetrievalConfig.model_validate(section)).open(
        Opening(
            WordEncoder(), DownloadConfig(allow_hosts=(server.host,)), work=work, build=str(time.monotonic())
        )
    )
    licences = settings.get("licence", ())
    assert isinstance(licences, Sequence)
    return search(opened, [Query(name, name, name, wanted, subject=name)], licences)[0]


def paths(server: ViewerServer) -> list[str]:
    return [one.path.rpartition("/")[2] for one in server.asked]


def test_what_a_row_becomes(tmp_path: Path) -> None:
    """The image itself, fetched at once; caption, author, licence and page; no link, as it runs out."""
    shown = pictures(["banded", "dotted"], 4)
    with ViewerServer(shown) as server:
        found = find(server, tmp_path)
        assert [
            (one.image, one.url, one.caption, one.author, one.licence, one.page, one.item) for one in found
        ] == [
            (of.image, None, of.caption, of.author, of.licence, of.page, hashlib.sha256(of.image).hexdigest())
            for of in shown[:4]
        ]
        assert paths(server) == ["splits", "search"]
        asked = server.asked[1].parameters
        assert asked == {
            "dataset": DATASET, "config": "default", "split": "train", "query": "banded", "offset": "0", "length": "100",
        }  # fmt: skip


def test_nothing_is_asked_or_fetched_twice(tmp_path: Path) -> None:
    """Not even when the links have run out: the images are kept by row."""
    with ViewerServer(pictures(["banded"], 4)) as server:
        server.lifetime = 0.6
        first = find(server, tmp_path)
        time.sleep(0.7)
        assert find(server, tmp_path) == first
        assert paths(server) == ["splits", "search"]
        assert max(server.fetched.values()) == 1


def test_a_link_that_has_run_out_is_asked_for_again(tmp_path: Path) -> None:
    """Once for all rows of a page, as after a kill between the answer and the images."""
    with ViewerServer(pictures(["banded"], 8)) as server:
        server.lifetime = 0.0
        refused = find(server, tmp_path, wanted=8)
        assert {(one.refused, one.image) for one in refused} == {("forbidden", None)}
        before = len(server.asked)
        server.lifetime = 60.0
        assert all(one.image for one in find(server, tmp_path, wanted=8))
        assert len(server.asked) - before == 1


def test_pages_that_lie_and_repeat(tmp_path: Path) -> None:
    """Every row once, whatever the total says."""
    shown = [
        Picture("banded", f"banded {at}", b"jpeg %d" % at, "A", "CC0 1.0", f"https://p.example/{at}")
        for at in range(230)
    ]
    for repeat, announced in ((0, None), (30, 7), (30, 10_000)):
        with ViewerServer(shown) as server:
            server.repeat, server.announced = repeat, announced
            found = find(server, tmp_path / f"{repeat}-{announced}", wanted=150)
            assert len({one.page for one in found}) == len(found) == 150
            assert paths(server) == ["splits", "search", "search"]


def test_licences_are_judged_before_a_fetch(tmp_path: Path) -> None:
    with ViewerServer(pictures(["banded"], 6)) as server:
        found = find(server, tmp_path, licence=("cc0",))
        assert [one.licence for one in found] == ["CC0 1.0"] * 2
        assert sum(server.fetched.values()) == 2


def test_the_limit_is_kept_by_us(tmp_path: Path) -> None:
    """500 calls in five minutes, over processes and runs; here 2, of which the split takes one."""
    with ViewerServer(pictures(["banded", "dotted"], 3)) as server:
        assert find(server, tmp_path, calls=2)
        with pytest.raises(LimitReached, match="2 in 5 minutes"):
            find(server, tmp_path, "dotted", calls=2)
        assert len(server.asked) == 2
        assert find(server, tmp_path, "dotted", calls=3)
    with ViewerServer(pictures(["banded"], 3), limits=[(1, 1.5)]) as server:
        assert find(server, tmp_path / "waits"), "429 with Retry-After is waited for"


@pytest.mark.parametrize(
    ("splits", "settings", "problem", "words"),
    [
        ([("default", "a"), ("default", "b")], {}, ConfigError, "several; set retrieval.split to one of a, b"),
        ([("x", "train"), ("y", "train")], {}, ConfigError, "several; set retrieval.config to one of x, y"),
        ([("x", "train")], {"config": "z"}, ConfigError, "has no 'z', only x"),
        ([], {}, RetrievalError, "no config that its viewer shows"),
        ([("default", "train")], {"caption": "titel"}, ConfigError, "has no column 'titel'"),
        ([("default", "train")], {"dataset": "no/body"}, RetrievalError, "does not exist"),
    ],
)  # fmt: skip
def test_what_is_searched(
    tmp_path: Path,
    splits: list[tuple[str, str]],
    settings: dict[str, object],
    problem: type[Exception],
    words: str,
) -> None:
    with ViewerServer(pictures(["banded"], 3)) as server:
        server.splits = splits
        with pytest.raises(problem, match=words):
            find(server, tmp_path, **settings)


def test_a_split_is_chosen(tmp_path: Path) -> None:
    """The only one, the usual one, or the one that was named."""
    with ViewerServer(pictures(["banded"], 3)) as server:
        server.splits = [("default", "test"), ("default", "train")]
        assert find(server, tmp_path)
        assert server.asked[-1].parameters["split"] == "train"
        assert find(server, tmp_path, split="test", config="default")
        assert server.asked[-1].parameters["split"] == "test"


def test_a_token_goes_to_the_viewer_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "not-to-be-seen")
    with ViewerServer(pictures(["banded"], 3)) as server:
        assert find(server, tmp_path)
        assert server.asked[-1].headers["authorization"] == "Bearer not-to-be-seen"
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"not-to-be-seen" not in path.read_bytes(), path
