"""The backend ``openverse`` against its loopback twin."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from pathlib import Path

import pytest

from susx.config import RetrievalConfig
from susx.errors import ConfigError, LimitReached, RetrievalError, SourceDown
from susx.images.retrieve import Query, search
from susx.images.retrieve.backends import backend_settings
from susx.images.retrieve.backends.backend import Opening
from susx.images.retrieve.backends.openverse import OpenverseBackend
from susx.testing.collections import Picture
from susx.testing.encoders import WordEncoder
from susx.testing.http_openverse import OpenverseServer


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUSX_CACHE", str(tmp_path / "cache"))
    for name in ("SUSX_OPENVERSE_TOKEN", "SUSX_OPENVERSE_ID", "SUSX_OPENVERSE_SECRET", "SUSX_CONTACT"):
        monkeypatch.delenv(name, raising=False)


def shown(name: str, number: int, licence: str = "by 2.0") -> list[Picture]:
    return [
        Picture(name, f"a {name} {at}", b"", f"A{at}", licence, f"https://p.example/{name}/{at}")
        for at in range(number)
    ]


def opened(
    server: OpenverseServer, work: Path | None = None, build: str = "", **settings: object
) -> OpenverseBackend:
    config = RetrievalConfig.model_validate({"backend": "openverse", "address": server.address, **settings})
    backend = backend_settings(config).open(Opening(WordEncoder(), work=work, build=build))
    assert isinstance(backend, OpenverseBackend)
    return backend


def cats(wanted: int) -> list[Query]:
    return [Query("cat", "A photo of a cat.", "A photo of a cat.", wanted, subject="cat")]


def items(backend: OpenverseBackend, wanted: int, name: str = "cat") -> list[str]:
    query = dataclasses.replace(cats(wanted)[0], class_name=name, subject=name)
    return [one.item for one in search(backend, [query])[0]]


def test_what_a_result_becomes(tmp_path: Path) -> None:
    """Link, title, licence with its version, creator, page; the request names susx and carries no key."""
    with OpenverseServer(shown("cat", 3, "CC BY-SA 4.0")) as server:
        found = search(opened(server), cats(5))[0]
        assert [(one.url, one.caption, one.licence, one.author, one.page) for one in found] == [
            (server.picture(at), f"a cat {at}", "CC BY-SA 4.0", f"A{at}", f"https://p.example/cat/{at}")
            for at in range(3)
        ]
        [asked] = server.asked
        assert asked.parameters == {"q": "cat", "page": "1", "page_size": "20", "mature": "false"}
        assert asked.headers["user-agent"].startswith("susx/")
        assert "authorization" not in asked.headers


def test_pages_are_asked_until_there_is_enough(tmp_path: Path) -> None:
    """48 of 70 take three pages of 20; nothing is asked twice, whoever asks again."""
    with OpenverseServer(shown("cat", 70)) as server:
        assert items(opened(server, tmp_path), 48) == items(opened(server, tmp_path), 48)
        assert sorted(asked.parameters["page"] for asked in server.asked) == ["1", "2", "3"]
        assert len(items(opened(server, tmp_path), 60)) == 60
        assert len(server.asked) == 3
        assert len(set(items(opened(server, tmp_path), 500))) == 70
        assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("announced", "repeat"), [(1, 0), (0, 0), (10_000, 0), (None, 5), (10_000, 19), (None, 20)]
)
def test_totals_that_lie_and_results_that_come_again(
    tmp_path: Path, announced: int | None, repeat: int
) -> None:
    """Every result once, whatever the total says; pages that bring nothing new end the search."""
    with OpenverseServer(shown("cat", 50)) as server:
        server.announced, server.repeat = announced, repeat
        found = items(opened(server, tmp_path), 45)
        assert len(found) == len(set(found)) == (20 if repeat == 20 else 22 if repeat == 19 else 45)
        assert len(server.asked) <= 4


def test_licences_are_asked_for_and_judged(tmp_path: Path) -> None:
    """The API filters; what it sends all the same of another licence is refused by name, without a download."""
    collection = shown("cat", 4, "by 2.0") + shown("cat", 4, "by-nc 2.0")
    with OpenverseServer(collection) as server:
        assert len(search(opened(server, licence="cc0,by"), cats(9), ("cc0", "by"))[0]) == 4
        assert server.asked[0].parameters["license"] == "by,cc0"
        strange = search(opened(server), cats(9), ("by",))[0]
        assert [one.refused for one in strange] == [""] * 4 + ["licence"] * 4
    with OpenverseServer(shown("cat", 1, "sampling+ 1.0")) as server:
        [unheard] = search(opened(server), cats(9), ("by",))[0]
        assert (unheard.refused, unheard.licence) == ("licence", "sampling+ 1.0")


def test_the_minute_is_waited_for_the_day_is_not(tmp_path: Path) -> None:
    """Limits hold over backends (processes, runs); the day's ends with when to go on, and the next run asks only what is open."""
    with OpenverseServer(shown("cat", 90) + shown("dog", 90)) as server:
        quick = opened(server, tmp_path, per_minute=100, per_day=3)
        assert len(items(quick, 40)) == 40
        with pytest.raises(
            LimitReached, match=r"no more requests before 20\d\d-.*3 in a day.*run the same command again"
        ):
            items(opened(server, tmp_path, per_minute=100, per_day=3), 40, "dog")
        # The next day, in which the first page of dogs is not asked again.
        assert len(server.asked) == 3
        later = opened(server, tmp_path, per_minute=100, per_day=30)
        assert len(items(later, 40, "dog")) == 40
        pages = [(one.parameters["q"], one.parameters["page"]) for one in server.asked]
        assert sorted(pages) == [("cat", "1"), ("cat", "2"), ("dog", "1"), ("dog", "2")]


def test_a_limit_within_patience_is_waited(tmp_path: Path) -> None:
    """The source says 429 with Retry-After: the same question goes out again when it said, and all is found."""
    with OpenverseServer(shown("cat", 70), limits=[(2, 1.5)]) as server:
        start = time.monotonic()
        assert len(items(opened(server, tmp_path, per_minute=100, per_day=100), 60)) == 60
        assert 1.0 < time.monotonic() - start < 8
    with OpenverseServer(shown("cat", 70), limits=[(1, 3600)]) as server:
        with pytest.raises(LimitReached, match="takes no more requests before"):
            items(opened(server, tmp_path, per_minute=100, per_day=100), 60)
        before = len(server.asked)
        with pytest.raises(LimitReached):
            items(opened(server, tmp_path, per_minute=100, per_day=100), 60)
        assert len(server.asked) == before, "it said when; until then nobody asks"


@pytest.mark.parametrize("behaviour", ["html", "half", "503", "drop", "schema", "hang", "flood"])
def test_a_source_that_is_down_costs_three_tries_for_a_whole_build(tmp_path: Path, behaviour: str) -> None:
    """Twelve classes, from several threads and other processes of the build: at most three requests and ten seconds."""
    words = {
        "html": "a web page", "half": "malformed JSON", "503": "failing .HTTP 503", "drop": "broke the connection",
        "schema": "does not document: a list 'results' is expected, found the fields items, version", "hang": "did not answer",
        "flood": "more than a page",
    }  # fmt: skip
    with OpenverseServer(shown("cat", 30), always=behaviour) as server:
        backends = [opened(server, tmp_path, "build 1", timeout=2.0) for _ in range(3)]
        problems: list[str] = []

        def ask(at: int) -> None:
            try:
                items(backends[at % 3], 20, f"class {at}")
            except SourceDown as error:
                problems.append(str(error))

        start = time.monotonic()
        threads = [threading.Thread(target=ask, args=(at,)) for at in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - start < 10
        assert len(problems) == 12
        assert len(server.asked) <= 3
        with pytest.raises(SourceDown, match=words[behaviour]):
            items(opened(server, tmp_path, "build 1", timeout=2.0), 20)
        assert len(server.asked) <= 3
        server.always = "ok"
        assert len(items(opened(server, tmp_path, "build 2"), 20)) == 20


def test_a_fault_that_passes_loses_nothing(tmp_path: Path) -> None:
    """Half an answer to the second page: asked again, and the result is that of a source without faults."""
    with OpenverseServer(shown("cat", 60)) as server:
        right = items(opened(server), 60)
    for behaviour in ("half", "html", "502", "drop"):
        with OpenverseServer(shown("cat", 60), script={1: behaviour}) as server:
            assert items(opened(server, tmp_path / behaviour), 60) == right


def test_keys_are_sent_and_written_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token as it is, or one for id and secret; refused keys are named by their variable's meaning, never by their text."""
    with OpenverseServer(shown("cat", 3)) as server:
        monkeypatch.setenv("SUSX_OPENVERSE_ID", "an-id")
        monkeypatch.setenv("SUSX_OPENVERSE_SECRET", "secret")
        assert len(items(opened(server, tmp_path / "work"), 3)) == 3
        assert server.asked[-1].headers["authorization"].startswith("Bearer ")
        monkeypatch.setenv("SUSX_OPENVERSE_SECRET", "wrong-secret")
        with pytest.raises(ConfigError, match="gives no token for SUSX_OPENVERSE_ID") as refused:
            items(opened(server, tmp_path / "work"), 3, "dog")
        assert "wrong-secret" not in str(refused.value)
        monkeypatch.setenv("SUSX_OPENVERSE_TOKEN", "not-to-be-seen")
        with pytest.raises(SourceDown, match="does not accept the key") as denied:
            items(opened(server, tmp_path / "work"), 3, "bird")
        assert "not-to-be-seen" not in str(denied.value)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not any(word in data for word in (b"secret", b"not-to-be-seen", b"12-hours")), path


def test_a_contact_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUSX_CONTACT", "ada@example.org\r\nX-Evil: 1")
    with OpenverseServer(shown("cat", 3)) as server:
        items(opened(server), 3)
        assert server.asked[0].headers["user-agent"].endswith("(ada@example.org X-Evil: 1)")
        assert "x-evil" not in server.asked[0].headers


def test_context_tells_namesakes_apart(tmp_path: Path) -> None:
    with OpenverseServer(shown("crane bird", 3)) as server:
        query = Query("crane", "A crane.", "A crane.", 3, subject="crane", context="bird")
        assert len(search(opened(server), [query])[0]) == 3
        assert server.asked[0].parameters["q"] == "crane bird"


def test_rows_that_are_no_images_are_left(tmp_path: Path) -> None:
    """A row without a link, with a link of another kind, that is no object, that is mature."""
    good = {
        "id": "a",
        "url": "http://h/a.jpg",
        "license": "by",
        "license_version": "2.0",
        "title": "a\ncat",
        "creator": 7,
    }
    answer = {
        "page_count": 1,
        "results": [
            good, {"id": "b"}, {"id": "c", "url": "javascript:x"}, "no", None, {**good, "id": "d", "mature": True},
            {**good, "id": ["e"]}, {**good, "id": "f", "title": {"x": 1}, "foreign_landing_url": "ftp://x"},
        ],
    }  # fmt: skip

    class Odd(OpenverseServer):
        def answer(self, path, parameters, headers):  # type: ignore[no-untyped-def]
            return 200, answer, {}

    with Odd() as server:
        found = search(opened(server), cats(20))[0]
    assert [(one.item, one.caption, one.author, one.page) for one in found] == [
        ("openverse:a", "a cat", "7", None), ("openverse:f", None, "7", None),
    ]  # fmt: skip


def test_a_damaged_answer_is_asked_again(tmp_path: Path) -> None:
    with OpenverseServer(shown("cat", 3)) as server:
        right = items(opened(server, tmp_path), 3)
        [kept] = [path for path in (tmp_path / "answers").rglob("*.json")]
        kept.write_text(kept.read_text()[:40])
        assert items(opened(server, tmp_path), 3) == right
        assert len(server.asked) == 2
        assert json.loads(kept.read_text())["parameters"]["q"] == "cat"


def test_a_question_that_is_not_taken(tmp_path: Path) -> None:
    """The source is up; it is this question that it does not take."""
    with OpenverseServer(shown("cat", 3), script={0: "400"}) as server:
        with pytest.raises(RetrievalError, match=r"does not take the request \(HTTP 400") as refused:
            items(opened(server, tmp_path), 3)
        assert not isinstance(refused.value, SourceDown)
        assert len(items(opened(server, tmp_path), 3)) == 3


def test_a_source_that_changes_between_pages(tmp_path: Path) -> None:
    """Five images come in front while the pages are asked: each is taken once, and another run finds the same."""

    class Growing(OpenverseServer):
        def answer(self, path, parameters, headers):  # type: ignore[no-untyped-def]
            status, answer, extra = super().answer(path, parameters, headers)
            answer["page_count"] = 1
            self.shown = [*shown("cat", 5), *self.shown]
            return status, answer, extra

        def _result(self, number):  # type: ignore[no-untyped-def]
            return {**super()._result(number), "id": self.shown[number].page + str(len(self.shown) - number)}

    with Growing(shown("cat", 60)) as server:
        first = items(opened(server, tmp_path), 55)
        assert len(first) == len(set(first)) == 50
        assert items(opened(server, tmp_path), 55) == first
