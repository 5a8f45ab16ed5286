"""What public sources do wrong, each thing with each of them: a clear paragraph or a counted reason, nothing lost, the same result on a rerun."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from susx.config import DownloadConfig, RetrievalConfig
from susx.errors import LimitReached, RetrievalError, SourceDown
from susx.images.retrieve import Candidate, Query, fetch_images, search
from susx.images.retrieve.backends import BackendSettings, backend_settings
from susx.images.retrieve.backends.backend import Opening
from susx.testing.collections import Picture, pictures
from susx.testing.encoders import WordEncoder
from susx.testing.http_openverse import OpenverseServer
from susx.testing.http_organisms import GbifServer, InaturalistServer
from susx.testing.http_source import SourceServer
from susx.testing.http_viewer import DATASET, ViewerServer

TAXA = {"banded": "Bandedus vulgaris", "dotted": "Dottedus vulgaris"}
PAGES = {"openverse": 20, "inaturalist": 200, "gbif": 100, "viewer": 100}
"""Source -> results of a page."""
LIMIT = {"openverse": "per_minute", "inaturalist": "per_minute", "gbif": "per_minute", "viewer": "calls"}

every = pytest.mark.parametrize("kind", PAGES)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUSX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SUSX_CONTACT", "ada@example.org")
    for name in ("HF_TOKEN", "SUSX_OPENVERSE_TOKEN", "SUSX_OPENVERSE_ID"):
        monkeypatch.delenv(name, raising=False)


def served(kind: str, shown: Sequence[Picture], *, base: type[SourceServer] | None = None) -> SourceServer:
    if kind in ("inaturalist", "gbif"):
        organisms = base or {"inaturalist": InaturalistServer, "gbif": GbifServer}[kind]
        return organisms(shown, TAXA)  # type: ignore[arg-type]
    return (base or {"openverse": OpenverseServer, "viewer": ViewerServer}[kind])(shown)


def many(number: int, licence: str = "CC BY 2.0") -> list[Picture]:
    return [
        Picture("banded", f"banded {at}", b"jpeg %d" % at, f"A{at}", licence, f"https://p.example/{at}")
        for at in range(number)
    ]


def settings_of(kind: str, server: SourceServer, **settings: object) -> BackendSettings:
    more = {"dataset": DATASET} if kind == "viewer" else {}
    section = {
        "backend": kind, "address": server.address, "timeout": 2.0, "patience": 0.3, **more, **settings,
    }  # fmt: skip
    section |= {} if LIMIT[kind] in settings else {LIMIT[kind]: 1000}
    section |= {"per_day": 1000} if kind == "openverse" else {}
    return backend_settings(RetrievalConfig.model_validate(section))


def find(
    kind: str, server: SourceServer, work: Path, wanted: int = 5, name: str = "banded", licences: Sequence[str] = (), build: str = "one",
    **settings: object,
) -> list[Candidate]:  # fmt: skip
    opened = settings_of(kind, server, licence=list(licences), **settings).open(
        Opening(WordEncoder(), DownloadConfig(allow_hosts=(server.host,)), work=work, build=build)
    )
    return search(opened, [Query(name, name, name, wanted, subject=name)], licences)[0]


def told(found: Sequence[Candidate]) -> list[tuple[object, ...]]:
    """Return what tells candidates, without a server's port and signatures."""
    return [
        (
            re.sub(r"127\.0\.0\.1:\d+", "", one.item),
            one.caption,
            one.author,
            one.licence,
            one.page,
            one.image,
            one.refused,
        )
        for one in found
    ]


def asked(server: SourceServer) -> Counter[tuple[object, ...]]:
    return Counter((one.path, *sorted(one.parameters.items())) for one in server.asked)


@every
@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("html", "a web page, not with JSON"), ("half", "malformed JSON"), ("schema", "a form that it does not document: a list '"),
        ("503", r"failing \(HTTP 503"), ("drop", "broke the connection"), ("flood", "more than a page"),
    ],
)  # fmt: skip
def test_answers_that_are_none(kind: str, behaviour: str, words: str, tmp_path: Path) -> None:
    """Three tries for all classes of a build, one paragraph; the next build finds what it always would have."""
    with served(kind, many(30)) as server:
        server.always = behaviour
        for name in ("banded", "dotted"):
            with pytest.raises(SourceDown, match=words) as refused:
                find(kind, server, tmp_path, name=name)
            assert "\n" not in str(refused.value)
        assert len(server.asked) <= 3
        server.always = "ok"
        assert len(find(kind, server, tmp_path, build="two")) == 5


@every
@pytest.mark.parametrize("behaviour", ["html", "half", "502", "drop"])
def test_a_fault_in_the_middle_loses_nothing(kind: str, behaviour: str, tmp_path: Path) -> None:
    """One bad answer between good ones: the question goes out again, and the result is the same."""
    with served(kind, many(30)) as server:
        right = told(find(kind, server, tmp_path / "right"))
        number = len(server.asked)
    with served(kind, many(30)) as server:
        server.script = {number - 1: behaviour}
        assert told(find(kind, server, tmp_path / "bad")) == right
        assert len(server.asked) == number + 1


@every
@pytest.mark.parametrize(("repeat", "announced"), [(0, 0), (0, 10_000), (0, 1), (5, None), (19, 10_000)])
def test_ids_over_pages_and_totals_that_lie(
    kind: str, repeat: int, announced: int | None, tmp_path: Path
) -> None:
    """Every image once, as many as there are, however they are announced; the search ends, and a rerun asks nothing."""
    page = PAGES[kind]
    with served(kind, many(page + 15)) as server:
        server.repeat, server.announced = repeat, announced
        found = find(kind, server, tmp_path, wanted=page + 40)
        pages = [one.page for one in found]
        assert len(set(pages)) == len(pages)
        assert len(pages) >= (page + 15 if repeat < 19 or kind != "openverse" else page)
        number = len(server.asked)
        assert number <= 8
        assert told(find(kind, server, tmp_path, wanted=page + 40)) == told(found)
        assert len(server.asked) == number


@every
def test_a_source_that_grows_between_pages(kind: str, tmp_path: Path) -> None:
    """New images in front push old ones over the edge of the page: each is taken once, and a rerun finds the same."""
    page = PAGES[kind]
    ordinary = type(served(kind, []))

    class Growing(ordinary):  # type: ignore[misc, valid-type]
        def answer(self, path, parameters, headers):  # type: ignore[no-untyped-def]
            result = super().answer(path, parameters, headers)
            if path.endswith(("/images/", "/observations", "occurrence/search", "/search")):
                first = len(self.shown)
                self.shown = [
                    *(Picture("banded", f"banded {at}", b"jpeg %d" % at, "A", "CC0 1.0", f"https://p.example/{at}") for at in range(first, first + 3)),
                    *self.shown,
                ]  # fmt: skip
            return result

    with served(kind, many(page + 15), base=Growing) as server:
        found = find(kind, server, tmp_path, wanted=page + 10)
        assert len({one.item for one in found}) == len(found) >= page
        assert told(find(kind, server, tmp_path, wanted=page + 10)) == told(found)
        assert max(asked(server).values()) == 1


@every
def test_a_limit_in_the_middle(kind: str, tmp_path: Path) -> None:
    """The search stops and says when to go on; what was answered is kept, and the next run asks the rest alone."""
    with served(kind, many(30)) as server:
        right = told(find(kind, server, tmp_path / "right"))
        number = len(server.asked)
    with served(kind, many(30)) as server:
        with pytest.raises(
            LimitReached, match=r"takes no more requests before 20\d\d.*run the same command again"
        ):
            _ = [
                find(kind, server, tmp_path / "cut", name=name, **{LIMIT[kind]: 1})
                for name in ("banded", "dotted")
            ]
        assert len(server.asked) == 1
        assert told(find(kind, server, tmp_path / "cut")) == right
        assert len(server.asked) == number
        assert max(asked(server).values()) == 1


@every
def test_a_limit_in_the_middle_of_a_class(kind: str, tmp_path: Path) -> None:
    """Several queries share the pages of a class, and the limit comes between two of them: the next run asks the last page alone."""

    def ask(server: SourceServer, work: Path, **settings: object) -> list[Candidate]:
        opened = settings_of(kind, server, **settings).open(
            Opening(WordEncoder(), DownloadConfig(allow_hosts=(server.host,)), work=work, build="one")
        )
        wanted = PAGES[kind] // 2 + 5
        asked_for = [
            Query("banded", text, text, wanted, subject="banded") for text in ("a banded one", "banded, near")
        ]
        return [one for of_query in search(opened, asked_for) for one in of_query]

    with served(kind, many(PAGES[kind] + 10)) as server:
        right = told(ask(server, tmp_path / "right"))
        number = len(server.asked)
    with served(kind, many(PAGES[kind] + 10)) as server:
        with pytest.raises(LimitReached, match="What was found is kept"):
            ask(server, tmp_path / "cut", **{LIMIT[kind]: number - 1})
        assert len(server.asked) == number - 1
        assert told(ask(server, tmp_path / "cut")) == right
        assert len(server.asked) == number
        assert max(asked(server).values()) == 1
    assert len(right) == PAGES[kind] + 10


@every
def test_a_licence_never_heard_of(kind: str, tmp_path: Path) -> None:
    """It is no licence that anybody asked for: nothing of it is fetched. Without a filter it is told as the source says it, or as none."""
    with served(kind, many(6, "sampling+ 1.0")) as server:
        assert all(one.refused == "licence" for one in find(kind, server, tmp_path, licences=("by", "cc0")))
        assert not server.fetched
        free = find(kind, server, tmp_path)
        assert len(free) == 5
        expected = {"inaturalist": {"all rights reserved"}, "gbif": {"CC BY-NC 4.0"}}
        assert {one.licence for one in free} == expected.get(kind, {"sampling+ 1.0"})


@every
def test_placeholders(kind: str, tmp_path: Path) -> None:
    """Three pages that show one and the same file show no image of theirs; it is counted, and the others stay."""
    shown = pictures(["banded"], 8)
    with served(kind, shown) as server:
        server.placeholders = {1, 2}
        found = find(kind, server, tmp_path, wanted=8)
        rows = fetch_images(
            found, tmp_path / "artefact", tmp_path / "work", DownloadConfig(allow_hosts=(server.host,))
        )
    assert Counter(row.rejected for row in rows) == {"placeholder": 3, "": 5}
    assert {row.page for row in rows if row.rejected} == {one.page for one in shown[:3]}
    assert all("3 pages show this same file" in str(row.detail) for row in rows if row.rejected)


@pytest.mark.parametrize("kind", ["parquet", "lance"])
def test_placeholders_that_come_with_rows(kind: str, tmp_path: Path) -> None:
    """The same of bytes in a table."""
    shown = pictures(["banded"], 8)
    table = pa.Table.from_pylist(
        [{"image": shown[0 if at < 3 else at].image, "caption": one.caption, "page": one.page} for at, one in enumerate(shown)]
    )  # fmt: skip
    if kind == "lance":
        pytest.importorskip("lancedb").connect(str(tmp_path / "db")).create_table("t", table)
    else:
        (tmp_path / "db").mkdir()
        table.to_pandas().to_parquet(tmp_path / "db" / "t.parquet")
    section = {"backend": kind, "data": str(tmp_path / "db")}
    opened = backend_settings(RetrievalConfig.model_validate(section)).open(Opening(WordEncoder()))
    found = search(opened, [Query("banded", "banded", "banded", 8, subject="banded")])[0]
    assert Counter(one.refused for one in found) == {"placeholder": 3, "": 5}


@pytest.mark.parametrize("kind", ["parquet", "lance"])
def test_a_licence_never_heard_of_in_a_table(kind: str, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "url": ["http://h/1.jpg", "http://h/2.jpg"],
            "caption": ["banded", "banded"],
            "license": ["sampling+ 1.0", None],
        }
    )
    if kind == "lance":
        pytest.importorskip("lancedb").connect(str(tmp_path / "db")).create_table("t", frame)
    else:
        (tmp_path / "db").mkdir()
        frame.to_parquet(tmp_path / "db" / "t.parquet")
    query = Query("banded", "banded", "banded", 8, subject="banded")
    for licences, number in (((), 2), (("by",), 0)):
        section = {"backend": kind, "data": str(tmp_path / "db"), "licence": list(licences)}
        opened = backend_settings(RetrievalConfig.model_validate(section)).open(Opening(WordEncoder()))
        assert len([one for one in search(opened, [query], licences)[0] if not one.refused]) == number


def test_half_a_lance_data_set(tmp_path: Path) -> None:
    """Files that are cut, emptied or gone: a paragraph that names the data set."""
    lancedb = pytest.importorskip("lancedb")
    rows = {"image": [b"jpeg %d" % at for at in range(50)], "caption": [f"banded {at}" for at in range(50)]}
    for pattern, harm in (("_versions/*.manifest", "cut"), ("data/*.lance", "cut"), ("data/*.lance", "gone")):
        folder = tmp_path / f"{pattern[:5]}-{harm}"
        lancedb.connect(str(folder)).create_table("t", pa.table(rows))
        for file in (folder / "t.lance").glob(pattern):
            data = file.read_bytes()
            file.unlink() if harm == "gone" else file.write_bytes(data[: len(data) // 2])
        section = RetrievalConfig.model_validate({"backend": "lance", "data": str(folder)})
        with pytest.raises(RetrievalError, match=r"t\.lance|retrieval\.data") as refused:
            search(
                backend_settings(section).open(Opening(WordEncoder())),
                [Query("banded", "banded", "banded", 8, subject="banded")],
            )
        assert "\n" not in str(refused.value)


def test_a_parquet_file_that_is_damaged_in_its_middle(tmp_path: Path) -> None:
    """Its footer is whole, so that it opens; the texts behind it are not."""
    file = tmp_path / "t.parquet"
    captions = [f"banded {at} {at * 7919 % 1000}" for at in range(5000)]
    pd.DataFrame({"caption": captions, "url": [f"http://h/{at}.jpg" for at in range(5000)]}).to_parquet(file)
    data = bytearray(file.read_bytes())
    data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
    file.write_bytes(data)
    section = RetrievalConfig.model_validate({"backend": "parquet", "data": str(file)})
    opened = backend_settings(section).open(Opening(WordEncoder()))
    with pytest.raises(RetrievalError, match=r"t\.parquet \(retrieval\.data\) cannot be searched"):
        search(opened, [Query("banded", "banded", "banded", 8, subject="banded")])


ODD = (
    None,
    True,
    -1,
    1e30,
    float("inf"),
    "",
    " ",
    "\0\ud800",
    "x" * 30_000,
    [],
    [None],
    {},
    {"": []},
    [[[]]],
)
"""Values that no schema has where they are put; JSON of Python's writes infinity, which is none."""


def changed(value: object, rng: random.Random) -> object:
    """Return an answer in which one value, however deep, is another."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice([*value])
        if rng.random() < 0.15:
            return {name: inner for name, inner in value.items() if name != key}
        return {**value, key: changed(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        return [*value[:at], changed(value[at], rng), *value[at + 1 :]]
    return rng.choice(ODD)


@every
def test_values_that_no_schema_has(kind: str, tmp_path: Path) -> None:
    """Another value in any field of any answer: a result as it is documented, a paragraph, or fewer images; and the same again on a rerun."""
    ordinary = type(served(kind, []))

    class Odd(ordinary):  # type: ignore[misc, valid-type]
        rng = random.Random(0)

        def answer(self, path, parameters, headers):  # type: ignore[no-untyped-def]
            status, result, extra = super().answer(path, parameters, headers)
            for _ in range(self.rng.choice((1, 1, 3))):
                result = changed(result, self.rng)
            return status, result, extra

    problems: list[str] = []
    answered = 0
    with served(kind, many(30), base=Odd) as server:
        for seed in range(40):
            server.rng = random.Random(seed)
            try:
                first = find(kind, server, tmp_path / str(seed), wanted=8, build=str(seed), timeout=1.0)
            except RetrievalError as error:
                problems.append(str(error))
                continue
            assert all(isinstance(one.item, str) and (one.url or one.image or one.refused) for one in first)
            for one in first:
                for text in (one.caption, one.author, one.licence, one.page):
                    assert text is None or (
                        text.strip() and len(text) <= 7000 and text.encode() and "\n" not in text
                    )
            number = len(server.asked)
            assert told(find(kind, server, tmp_path / str(seed), wanted=8, build="again")) == told(first)
            assert len(server.asked) == number
            answered += 1
    assert answered >= 10, problems
    assert not [problem for problem in problems if "\n" in problem]
