"""Retrieval from a list of links within a build: broken links, a kill in the middle, another try, the safety rule."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from susx.demo.textures import render
from susx.errors import NoSupportError, RetrievalError
from susx.images.retrieve import Candidate, write_candidates
from susx.images.support import read_support
from susx.pipeline import download, search
from susx.pipeline.plan import plan_build
from susx.pipeline.retrieval import Retrieving
from susx.pipeline.retry import forget_passing_failures
from susx.pipeline.stage import Stage, execute
from susx.store import ArtefactStore, Job
from susx.testing.forks import FORKS
from susx.testing.http_images import ImageServer, encoded
from susx.testing.world import World, build_world, new_world

CLASSES = ["banded", "dotted", "woven"]
PER_CLASS = 10
BROKEN = {6: "404", 7: "html", 8: "truncated", 9: "403"}
"""Number of a link within its class -> how it is broken: 40 in 100."""


@pytest.fixture
def server():
    """Serves ten "web" pictures of each class, of which each link names one."""
    photos = [
        encoded(Image.fromarray(render(name, "web", "pool", number)).resize((96, 96)))
        for name in CLASSES
        for number in range(PER_CLASS)
    ]
    with ImageServer(photos) as running:
        yield running


def world_of(folder: Path, server: ImageServer, paths: dict[int, str], good: str = "ok") -> World:
    """Return a world that retrieves from a list of links; ``paths`` says which of a class's links are broken."""
    rows = [
        {
            "url": server.url(f"{paths.get(number, good)}/{index * PER_CLASS + number}.jpg"),
            "caption": f"a photo of a {name} texture",
        }
        for index, name in enumerate(CLASSES)
        for number in range(PER_CLASS)
    ]
    folder.mkdir(exist_ok=True)
    pd.DataFrame(rows).to_csv(folder / "links.csv", index=False)
    world = new_world(folder)
    world.write(classes=CLASSES)
    world.change(
        "retrieval.backend=urls", f"retrieval.urls={folder / 'links.csv'}", "retrieval.over_fetch=10",
        "download.allow_private=true", "download.retries=0", "download.threads=2", "tuning=[fixed]",
        "curation.min_side=16",
    )  # fmt: skip
    return world


def reasons(world: World) -> dict[str, Counter[str]]:
    """Return class -> reason -> number of images, kept ones under ''."""
    found: dict[str, Counter[str]] = {}
    for row in read_support(world.store.path(world.result.support, "support.parquet")):
        found.setdefault(row.class_name, Counter())[row.rejected] += 1
    return found


def test_four_links_in_ten_are_broken(server: ImageServer, tmp_path: Path) -> None:
    """The build succeeds with what is left; table and report count every loss by class and reason."""
    world = world_of(tmp_path, server, BROKEN)
    world.build()
    expected = {"dead-link": 1, "not-an-image": 1, "truncated": 1, "forbidden": 1}
    for name, counts in reasons(world).items():
        lost = {reason: counts[reason] for reason in expected}
        assert lost == expected, (name, counts)
        assert counts[""] == 2
    page = world.store.path(world.result.report, "report.html").read_text(encoding="utf-8")
    for reason in expected:
        assert reason in page
    account = json.loads((world.artefact("download", "") / "account.json").read_text())
    assert account == {"fetched": 18, "dead-link": 3, "not-an-image": 3, "truncated": 3, "forbidden": 3}


def test_killed_in_the_middle_of_the_download(server: ImageServer, tmp_path: Path) -> None:
    """No image that was complete is fetched twice, and the table is that of an undisturbed run."""
    world = world_of(tmp_path / "killed", server, BROKEN, good="slow/0.4")
    process = FORKS.Process(target=build_world, args=(world,))
    process.start()
    end = time.monotonic() + 300
    while sum(server.completed.values()) < 6 and time.monotonic() < end:
        time.sleep(0.02)
    process.kill()
    process.join()
    assert 6 <= sum(server.completed.values()) < 18 + 6
    world.build()
    # The answers under way at the kill may have been complete for the server and lost all the same.
    asked_again = [path for path, count in server.completed.items() if path.startswith("slow") and count > 1]
    assert len(asked_again) <= 2
    calm = world_of(tmp_path / "calm", server, BROKEN, good="slow/0.4")
    calm.build()
    tables = [w.artefact("curate", "") / "support.parquet" for w in (world, calm)]
    assert tables[0].read_bytes() == tables[1].read_bytes()


def test_links_that_were_limited_can_be_tried_again(server: ImageServer, tmp_path: Path) -> None:
    """An unchanged build keeps its losses; asked to, it tries the passing ones again, and only those."""
    world = world_of(tmp_path, server, {8: "429-then-ok/1", 9: "404"})
    world.build()
    assert reasons(world)["dotted"]["rate-limited"] == 1
    assert world.computed() == set()
    before = Counter(server.requests)
    assert forget_passing_failures(plan_build(world.options), world.store) == 3
    computed = world.computed()
    assert {(stage, subject) for stage, subject in computed if stage in ("download", "fetch")} == {
        ("download", ""), *(("fetch", name) for name in CLASSES),
    }  # fmt: skip
    assert reasons(world)["dotted"]["rate-limited"] == 0
    assert {path.partition("/")[0] for path in server.requests - before} == {"429-then-ok"}


def test_links_without_an_image_stop_the_build_where_they_are_all_there_is(
    server: ImageServer, tmp_path: Path
) -> None:
    """Refused links end it with their reason, also when asked again; allowed ones build; beside local images they are a loss."""
    world = world_of(tmp_path / "all", server, {})
    world.change("download.allow_private=false")
    for _ in range(2):
        with pytest.raises(RetrievalError, match=r"None of the 30 links.*allow_private=true"):
            world.build()
    world.change("download.allow_private=true")
    world.build()
    assert all(counts[""] for counts in reasons(world).values())

    store = ArtefactStore(tmp_path / "store")
    photo = tmp_path / "here.png"
    Image.fromarray(render("banded", "web", "pool", 0)).save(photo)

    def give(job: Job, store: ArtefactStore, out: Path) -> dict[str, int]:
        found = [Candidate("banded", "p", "q", str(n), 0.5, url=server.url(f"404/{n}")) for n in range(2)]
        write_candidates(out / search.FILE, [*found, replace(found[0], item="here", path=str(photo))])
        return {}

    given = execute(Stage("search", 1, give, "Search"), Job("search", 1, "d", "banded", {}), store).ref
    settings = Retrieving.model_validate(
        {
            "encoder": {"model": "susx-tiny"},
            "retrieval": {},
            "download": {"allow_private": True, "retries": 0},
        }
    )
    job = Job("download", 1, "d", "", {}, {given.name: given}, settings.as_json())
    assert execute(download.STAGE, job, store).status == "computed"


def test_the_encoder_can_judge_what_is_unsafe(tmp_path: Path) -> None:
    """``curation.clip_safety`` reaches the rule with the encoder's own sentences; it is off unless asked for."""
    world = new_world(tmp_path)
    world.change("tuning=[fixed]")
    world.build()
    assert all(counts["unsafe"] == 0 for counts in reasons(world).values())
    world.change("curation.clip_safety=true", "curation.max_nsfw=0")
    with pytest.raises(NoSupportError, match=r"None of the \d+ candidate images can be used: \d+ unsafe"):
        world.build()  # at this limit everything is unsafe


def test_a_list_of_names_alone_says_how_to_measure(tmp_path: Path) -> None:
    """Without a reader there is nothing a data root could help; with one, the folder is what is missing."""
    world = new_world(tmp_path)
    world.change("tuning=[fixed]")
    for reader, advice in ((None, "add a reader"), ({"kind": "imagefolder", "folder": "x"}, "--data-root")):
        world.write(reader=reader)
        world.build()
        page = world.store.path(world.result.report, "report.html").read_text(encoding="utf-8")
        assert advice in page
