"""Whole builds, from names to report, each from a source of its own."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from susx.cli import main
from susx.config import EncoderConfig
from susx.errors import LimitReached
from susx.features.encoder import load_encoder
from susx.images.fetch.network_guard import FetchGuard
from susx.images.retrieve import fetcher
from susx.pipeline.plan import plan_build
from susx.pipeline.retry import forget_passing_failures
from susx.testing.collections import pictures
from susx.testing.encoders import random_clip
from susx.testing.http_openverse import OpenverseServer
from susx.testing.http_organisms import GbifServer, InaturalistServer
from susx.testing.world import CLASSES, World, new_world

CHEAP = ("tuning=[fixed]", "methods={tip_adapter: {}}", "headline=tip_adapter/fixed")


def support(world: World) -> pd.DataFrame:
    return pd.read_parquet(world.store.path(world.result.support, "support.parquet"))


def kept_of(world: World) -> dict[str, int]:
    table = support(world)
    return table[table["rejected"] == ""].groupby("class_name").size().to_dict()


def test_a_parquet_data_set(tmp_path: Path) -> None:
    """Images with captions, licences and authors; one class is called by its alias; a rerun computes nothing."""
    shown = pictures(CLASSES, 6)
    rows = [
        {
            "image": {"bytes": one.image, "path": f"{at}.jpg"}, "caption": one.caption.replace("woven", "plaited"),
            "license": one.licence, "creator": one.author, "page": one.page,
        }
        for at, one in enumerate(shown)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "set.parquet", row_group_size=5)
    world = new_world(tmp_path)
    world.write(aliases={"woven": ["plaited"]})
    world.change(
        "retrieval.backend=parquet", f"retrieval.data={tmp_path / 'set.parquet'}", "curation.min_side=1"
    )
    world.build()
    assert kept_of(world) == dict.fromkeys(CLASSES, 2)
    table = support(world)
    by_page = {one.page: one for one in shown}
    for row in table[table["rejected"] == ""].itertuples():
        source = by_page[str(row.page)]
        assert (row.class_name, row.author, row.licence) == (source.class_name, source.author, source.licence)
    told = json.loads((world.store.folder(world.result.report) / "metrics.json").read_text())
    assert [(one["class_name"], one["kept"], one["fetched"]) for one in told["purity"]] == [
        (name, 2, 4) for name in CLASSES
    ]
    assert any(note.startswith("8 of 16 fetched images were kept as support.") for note in told["notes"])
    # The statistics of the pool are those of all that was fetched, kept or not.
    [statistics] = (world.store.root / "artefacts" / "pool-statistics").glob("*/*/manifest.json")
    assert json.loads(statistics.read_text())["counts"]["images"] == 16
    assert not world.computed()
    world.change(licence="cc0", per_class=3)
    world.build()
    table = support(world)
    assert set(table[table["rejected"] == ""]["licence"]) == {"CC0 1.0"}
    shown_of = world.store.folder(world.result.report)
    notes = " ".join(json.loads((shown_of / "metrics.json").read_text())["notes"])
    assert "Only images under cc0 were taken, which leaves 4 classes short." in notes
    assert "'banded' has 2 of 3 images: " in notes
    page = (shown_of / "report.html").read_text()
    assert page.count("https://pictures.example/banded/") >= 2
    assert "Author 1 of banded" in page


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUSX_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def openverse() -> Iterator[OpenverseServer]:
    """Nine licensed pictures of each class, behind Openverse's API."""
    with OpenverseServer(pictures(CLASSES, 9)) as server:
        yield server


@pytest.fixture(scope="module")
def unhindered(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The support of a build without limits and kills."""
    folder = tmp_path_factory.mktemp("unhindered")
    with pytest.MonkeyPatch.context() as patch, OpenverseServer(pictures(CLASSES, 9)) as server:
        patch.setenv("SUSX_CACHE", str(folder / "cache"))
        world = openverse_world(folder, server)
        world.build()
        assert len(server.asked) == len(CLASSES)
        return support(world).drop(columns="url")


def whole_list(world: World, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what ``susx support credits`` says, after checking that a file holds the same images."""
    table = world.store.path(world.result.support, "support.parquet")
    capsys.readouterr()
    main(["support", "credits", str(table)])
    said = capsys.readouterr().out
    main(["support", "credits", str(table), "--out", str(world.folder / "credits.csv")])
    listed = pd.read_csv(world.folder / "credits.csv")
    assert len(listed) == said.count("\n* ")
    assert listed["author"].str.startswith("Author").all()
    return said


def openverse_world(folder: Path, server: OpenverseServer, *settings: str) -> World:
    folder.mkdir(exist_ok=True)
    world = new_world(folder)
    world.change(
        "retrieval.backend=openverse", f"retrieval.address={server.address}", "retrieval.over_fetch=4", "curation.min_side=1",
        f"download.allow_hosts=['{server.host}']", *CHEAP, *settings,
        evaluate=False, source="openverse",
    )  # fmt: skip
    return world


def test_openverse_with_placeholders_and_a_filter(
    openverse: OpenverseServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whole build; three links of a class give one and the same file, which is no image of theirs; nothing is fetched of other licences."""
    openverse.placeholders = {1, 2}
    world = openverse_world(tmp_path, openverse)
    world.build()
    assert kept_of(world) == dict.fromkeys(CLASSES, 2)
    table = support(world)
    assert set(table[table["rejected"] == "placeholder"]["page"]) == {
        f"https://pictures.example/banded/{at}" for at in range(3)
    }
    assert {one.parameters["q"] for one in openverse.asked} == set(CLASSES)
    assert len(openverse.asked) == len(CLASSES)
    assert not world.computed()
    # A class more asks for that class alone; pictures that are there are not fetched again.
    openverse.shown += pictures(["knitted"], 9)
    world.write(classes=[*CLASSES, "knitted"])
    world.build()
    assert [one.parameters["q"] for one in openverse.asked[len(CLASSES) :]] == ["knitted"]
    assert max(openverse.fetched.values()) == 1
    assert whole_list(world, capsys).count("](<https://pictures.example/") == 2 * 5
    world.write(classes=CLASSES)
    world.change(licence="cc0")
    before = sum(openverse.fetched.values())
    world.build()
    table = support(world)
    assert set(table["licence"]) == {"CC0 1.0"}
    assert sum(openverse.fetched.values()) - before <= 3


def test_openverse_s_day_ends_in_the_middle(
    openverse: OpenverseServer, unhindered: pd.DataFrame, tmp_path: Path
) -> None:
    """The build stops, says until when, and the next run goes on: no question twice, and the result of a build without limits."""
    world = openverse_world(tmp_path, openverse, "retrieval.per_day=2")
    with pytest.raises(LimitReached, match=r"takes no more requests before 20\d\d"):
        world.build()
    assert len(openverse.asked) == 2
    world.change("retrieval.per_day=100")
    world.build()
    assert len(openverse.asked) == len(CLASSES)
    pd.testing.assert_frame_equal(support(world).drop(columns="url"), unhindered)


@pytest.mark.parametrize("vectors", ["ours", "another's", "a told one's"])
def test_a_lance_data_set(tmp_path: Path, vectors: str) -> None:
    """Bytes come with the row. With vectors of our encoder, or of one that is told, captions may say nothing; else they find. The encoder chooses."""
    lancedb = pytest.importorskip("lancedb")
    shown = pictures(CLASSES, 8)
    encoder = load_encoder(EncoderConfig(model="susx-tiny"))
    rows = encoder.encode_images([Image.open(io.BytesIO(one.image)) for one in shown]).numpy()
    told: tuple[str, ...] = ()
    if vectors == "another's":
        rows = np.random.default_rng(1).standard_normal(rows.shape).astype(np.float32)
    elif vectors != "ours":
        other = random_clip(tmp_path, dim=encoder.dim)
        rows = load_encoder(other).encode_images([Image.open(io.BytesIO(one.image)) for one in shown]).numpy()
        told = (f"retrieval.made_by.model={other.model}", f"retrieval.made_by.pretrained={other.pretrained}")
    table = pa.table(
        {
            "image": [one.image for one in shown], "caption": [one.caption if vectors == "another's" else f"IMG {at}" for at, one in enumerate(shown)],
            "license": [one.licence for one in shown], "creator": [one.author for one in shown], "page": [one.page for one in shown],
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1]),
        }
    )  # fmt: skip
    lancedb.connect(str(tmp_path / "db")).create_table("shown", table)
    world = new_world(tmp_path)
    world.change(
        "retrieval.backend=lance", f"retrieval.data={tmp_path / 'db'}", "curation.min_side=1",
        f"retrieval.over_fetch={16 if told else 4}", *told, *CHEAP, evaluate=False,
    )  # fmt: skip
    world.build()
    assert kept_of(world) == dict.fromkeys(CLASSES, 2)
    kept = support(world).query("rejected == ''")
    right = [str(row.page).split("/")[-2] == row.class_name for row in kept.itertuples()]
    assert sum(right) >= len(right) - (0 if vectors == "another's" else 2)
    assert all(kept["author"].str.startswith("Author"))
    assert not world.computed()


def test_a_chain(openverse: OpenverseServer, tmp_path: Path) -> None:
    """``--source parquet,openverse``: what the table lacks Openverse gives; while it is down the build goes on, and --retry-failed asks again."""
    shown = pictures(CLASSES[:2], 8)
    rows = [
        {"image": one.image, "caption": one.caption, "license": one.licence, "creator": one.author}
        for one in shown
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    world = new_world(tmp_path)
    world.options = replace(world.options, settings=())
    world.change(
        f"retrieval.parquet.data={tmp_path / 't.parquet'}", f"retrieval.openverse.address={openverse.address}",
        "retrieval.openverse.timeout=1", f"download.allow_hosts=['{openverse.host}']", "curation.min_side=1", *CHEAP,
        evaluate=False, source="parquet,openverse",
    )  # fmt: skip
    openverse.always = "503"
    world.build()
    assert kept_of(world) == {"banded": 2, "dotted": 2}
    assert len(openverse.asked) == 3
    openverse.always = "ok"
    assert not world.computed()
    assert forget_passing_failures(plan_build(world.options), world.store) == 0
    assert {("search", "grid"), ("search", "woven")} <= world.computed()
    assert kept_of(world) == dict.fromkeys(CLASSES, 2)
    assert {one.parameters["q"] for one in openverse.asked[3:]} == {"grid", "woven"}


@pytest.mark.parametrize("kind", ["inaturalist", "gbif"])
def test_photographs_of_organisms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """From names to a report with credits; a class that is no taxon says so; GBIF's data sets are cited."""
    monkeypatch.setenv("SUSX_CONTACT", "ada@example.org")
    shown = pictures(CLASSES[:3], 9)
    taxa = {name: f"{name.title()}us vulgaris" for name in CLASSES[:3]}
    with {"inaturalist": InaturalistServer, "gbif": GbifServer}[kind](shown, taxa) as server:
        world = new_world(tmp_path)
        world.change(
            f"retrieval.backend={kind}", f"retrieval.address={server.address}", f"download.allow_hosts=['{server.host}']",
            "curation.min_side=1", "retrieval.over_fetch=4", *CHEAP, evaluate=False, source=kind, licence="by,cc0",
        )  # fmt: skip
        world.build()
    assert kept_of(world) == dict.fromkeys(CLASSES[:3], 2)
    table = support(world)
    assert table[table["class_name"] == "woven"]["rejected"].tolist() == ["no-taxon"]
    assert set(table[table["rejected"] == ""]["licence"]) <= {"CC BY 2.0", "CC0 1.0", "CC BY 4.0"}
    page = (world.store.folder(world.result.report) / "report.html").read_text()
    assert "of banded" in page
    assert ("doi.org/10.15468/set-0" in page) == (kind == "gbif")


def test_what_fetches_starts_with_the_search(
    openverse: OpenverseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Links alone come of Openverse: img2dataset's process is started before the first question, once, and the download takes it."""
    started: list[int] = []

    class Watched(fetcher.Fetcher):
        def __init__(self, guard: FetchGuard) -> None:
            started.append(len(openverse.asked))
            super().__init__(guard)

    monkeypatch.setattr(fetcher, "Fetcher", Watched)
    openverse.latency = 0.2
    world = openverse_world(tmp_path, openverse)
    world.build()
    assert kept_of(world) == dict.fromkeys(CLASSES, 2)
    assert len(started) == 1
    assert started[0] <= 1, "the first question may be under way"
    assert not fetcher._waiting
