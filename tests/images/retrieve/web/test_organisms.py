"""The backends ``inaturalist`` and ``gbif`` against their loopback twins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from susx.config import RetrievalConfig
from susx.errors import ConfigError, SourceDown
from susx.images.retrieve import Candidate, Query, search
from susx.images.retrieve.backends import backend_settings
from susx.images.retrieve.backends.backend import Opening
from susx.images.retrieve.backends.taxa import Taxon, meant
from susx.testing.collections import Picture
from susx.testing.encoders import WordEncoder
from susx.testing.http_organisms import GbifServer, InaturalistServer

TAXA = {"Common Crane": "Grus grus", "Great Tit": "Parus major", "Monarch": "Danaus plexippus"}
SERVERS = {"inaturalist": InaturalistServer, "gbif": GbifServer}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUSX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SUSX_CONTACT", "ada@example.org")


def shown(number: int) -> list[Picture]:
    licences = ("CC BY 4.0", "CC0 1.0", "CC BY-NC 4.0")
    return [
        Picture(name, "", b"", f"Photographer {at}", licences[at % 3], f"https://p.example/{name.replace(' ', '-')}/{at}")
        for name in TAXA for at in range(number)
    ]  # fmt: skip


def opened(kind: str, server: Any, work: Path | None = None, **settings: object) -> Any:
    config = RetrievalConfig.model_validate({"backend": kind, "address": server.address, **settings})
    return backend_settings(config).open(Opening(WordEncoder(), work=work, build="one"))


def find(backend: Any, name: str, wanted: int = 10, context: str = "") -> list[Candidate]:
    return search(backend, [Query(name, name, name, wanted, subject=name, context=context)])[0]


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("name", ["great tit", "Parus major", "great tits"])
def test_common_and_scientific_names(kind: str, name: str, tmp_path: Path) -> None:
    """Photographer, place, taxon, licence and page; one photograph a record; the contact goes with every request."""
    with SERVERS[kind](shown(5), TAXA) as server:
        got = find(opened(kind, server, tmp_path), name)
        assert [one.author for one in got] == [f"Photographer {at}" for at in range(5)]
        assert [one.licence for one in got][:3] == ["CC BY 4.0", "CC0 1.0", "CC BY-NC 4.0"]
        assert all(str(one.page).startswith("https://p.example/Great-Tit/") for one in got)
        assert {one.caption for one in got} == {
            "Great Tit (Parus major), taxon 101, "
            + ("Chania, Crete, GR" if kind == "inaturalist" else "Chania, Greece")
        }
        assert all("(ada@example.org)" in one.headers["user-agent"] for one in server.asked)
        before = len(server.asked)
        assert find(opened(kind, server, tmp_path), name) == got
        assert len(server.asked) == before


def test_gbif_s_data_sets_are_cited(tmp_path: Path) -> None:
    """Each data set is asked for once, however many of its records are used."""
    with GbifServer(shown(8), TAXA) as server:
        got = find(opened("gbif", server, tmp_path), "Monarch")
        assert {one.cite for one in got} == {
            f"Observers of set-{at} (2025). https://doi.org/10.15468/set-{at} accessed via GBIF.org."
            for at in (0, 1)
        }
        assert sum("/dataset/" in one.path for one in server.asked) == 2


def test_the_doi_of_a_download_is_cited_for_all(tmp_path: Path) -> None:
    """In place of the data sets, which nobody asks for then; what is no DOI is refused."""
    with GbifServer(shown(8), TAXA) as server:
        for doi in ("10.15468/dl.abc123", "https://doi.org/10.15468/dl.abc123"):
            got = find(opened("gbif", server, tmp_path, doi=doi), "Monarch")
            assert {one.cite for one in got} == {
                "GBIF.org. GBIF Occurrence Download https://doi.org/10.15468/dl.abc123"
            }
        assert not any("/dataset/" in one.path for one in server.asked)
        with pytest.raises(ConfigError, match="expected a DOI such as"):
            opened("gbif", server, tmp_path, doi="a download of mine")


@pytest.mark.parametrize("kind", SERVERS)
def test_licences(kind: str, tmp_path: Path) -> None:
    """Only admitted photographs, as many as there are; with three of nine admitted the search goes on for them."""
    with SERVERS[kind](shown(9), TAXA) as server:
        got = find(opened(kind, server, tmp_path, licence="cc0"), "Monarch")
        assert [one.licence for one in got] == ["CC0 1.0"] * 3


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("great tit bird", "Great Tit"),
        ("greet tit", "Great Tit|Nothing there"),
        ("polka dot", "Nothing there"),
    ],
)
def test_a_name_that_is_no_taxon_says_so(kind: str, name: str, near: str, tmp_path: Path) -> None:
    """A row that is refused, with the nearest names; no photograph of another organism stands in."""
    with SERVERS[kind](shown(3), TAXA) as server:
        [one] = find(opened(kind, server, tmp_path), name)
        assert one.refused == "no-taxon"
        assert f"'{name}' is no taxon of {kind}" in one.detail
        assert any(word in one.detail for word in near.split("|"))
        assert one.url is None


def test_which_taxon_is_meant() -> None:
    """The group that the context names, then the exact name, species before genera, then the one that is seen most."""
    crane, genus, fish = (
        Taxon("1", "Grus grus", "species", ("Crane",), "Aves", 10), Taxon("2", "Grus", "genus", ("Cranes",), "Aves", 99),
        Taxon("3", "Cranus", "species", ("Crane",), "Actinopterygii", 50),
    )  # fmt: skip
    assert meant("crane", "", [genus, crane, fish]) is fish
    assert meant("crane", "Aves", [genus, crane, fish]) is crane
    assert meant("cranes", "", [crane, genus]) is genus
    assert meant("stork", "", [crane, genus]) is None


@pytest.mark.parametrize("kind", SERVERS)
def test_no_contact_no_question(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUSX_CONTACT")
    with SERVERS[kind](shown(3), TAXA) as server:
        with pytest.raises(ConfigError, match="Set SUSX_CONTACT to your e-mail address"):
            opened(kind, server)
        assert not server.asked


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("behaviour", ["html", "half", "schema", "503"])
def test_down(kind: str, behaviour: str, tmp_path: Path) -> None:
    with SERVERS[kind](shown(3), TAXA, always=behaviour) as server:
        for name in TAXA:
            with pytest.raises(SourceDown, match=kind):
                find(opened(kind, server, tmp_path), name)
        assert len(server.asked) <= 3


@pytest.mark.parametrize("kind", SERVERS)
def test_records_of_any_shape(kind: str, tmp_path: Path) -> None:
    """Rows without photographs, of other kinds, repeated over pages: what can be used is, once."""

    class Odd(SERVERS[kind]):  # type: ignore[misc]
        def answer(self, path, parameters, headers):  # type: ignore[no-untyped-def]
            status, answer, extra = super().answer(path, parameters, headers)
            if "observations" in path or "occurrence" in path:
                answer["results"] = [
                    None,
                    "x",
                    {"id": 1, "key": 1},
                    {"id": 2, "key": 2, "photos": "no", "media": {}},
                    *answer["results"] * 2,
                ]
                answer["results"].append(
                    {
                        "id": 3,
                        "key": 3,
                        "photos": [{"url": 7}],
                        "media": [None, {"identifier": "ftp://x"}],
                        "user": [],
                    }
                )
                answer["endOfRecords"] = False
            return status, answer, extra

    with Odd(shown(4), TAXA) as server:
        got = find(opened(kind, server, tmp_path), "Monarch")
        assert len(got) == len({one.item for one in got}) == 4
        assert len(server.asked) < 10
