"""What all stores of a user share: the embedded pool is drawn once a user, whatever is killed, damaged or read-only."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from susx.commands.store import app
from susx.pipeline import pool
from susx.pipeline.stage import Stage, execute
from susx.store import ArtefactStore, Job, Outcome
from susx.store.user_cache import SHARED, shared_store, tidy
from susx.testing.forks import FORKS
from susx.testing.world import execute_shared, new_world


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty shared store."""
    monkeypatch.setenv(SHARED, str(tmp_path / "shared"))
    return tmp_path / "shared"


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """The job of a small pool."""
    world = new_world(tmp_path)
    world.change("retrieval.pool_size=60")
    return next(entry.job for entry in world.plan() if entry.job.stage == "pool")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Workspaces in which the pool was really drawn."""
    places: list[Path] = []

    def run(job: Job, store: ArtefactStore, out: Path) -> dict[str, int]:
        places.append(out)
        return dict(pool.run(job, store, out))

    stage = Stage(
        "pool", pool.STAGE.version, run, "Draw and index the embedded pool", device=True, shared=True
    )
    monkeypatch.setattr(pool, "STAGE", stage)
    return places


def pool_in(store: Path, job: Job) -> Outcome:
    return execute(pool.STAGE, job, ArtefactStore(store))


def test_the_pool_is_drawn_once_for_all_stores(shared, job, drawn, tmp_path):
    """A second store gets a copy, of the same content, that is its own."""
    one, two = pool_in(tmp_path / "one", job), pool_in(tmp_path / "two", job)
    assert [place.is_relative_to(shared) for place in drawn] == [True]
    assert one.ref == two.ref
    assert (one.status, two.status, two.counts) == ("computed", "computed", {"images": 60})
    file = ArtefactStore(tmp_path / "two").path(two.ref, "image.index")
    assert file.stat().st_nlink == 1
    assert pool_in(tmp_path / "two", job).status == "cached"
    listed = CliRunner().invoke(app, ["ls", "--store", str(tmp_path / "one")])
    assert "What all your stores share (1 artefacts" in listed.output
    assert CliRunner().invoke(app, ["verify", "--store", str(shared)]).exit_code == 0
    # Without the shared store, the stores still have all they need.
    shutil.rmtree(shared)
    assert pool_in(tmp_path / "one", job).status == "cached"


def test_a_damaged_one_is_made_again_and_never_handed_on(shared, job, drawn, tmp_path):
    """An altered file in the shared store is found before a copy is made of it."""
    good = pool_in(tmp_path / "one", job)
    path = ArtefactStore(shared).path(good.ref, "image.index")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert pool_in(tmp_path / "two", job).ref == good.ref
    assert len(drawn) == 2


@pytest.mark.parametrize("value", ["off", "", "0"])
def test_it_can_be_switched_off(shared, job, drawn, tmp_path, monkeypatch, value):
    """Then each store draws its own."""
    monkeypatch.setenv(SHARED, value)
    pool_in(tmp_path / "one", job)
    assert shared_store() is None
    assert [place.is_relative_to(tmp_path / "one") for place in drawn] == [True]
    assert not shared.exists()


def test_where_it_cannot_be_written_the_store_draws_its_own(job, drawn, tmp_path, monkeypatch, caplog):
    """A home without a place for a cache costs a line and a minute, not the build."""
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    monkeypatch.setenv(SHARED, str(blocked / "shared"))
    assert pool_in(tmp_path / "one", job).status == "computed"
    assert [place.is_relative_to(tmp_path / "one") for place in drawn] == [True]
    assert "cannot be used" in caplog.text
    assert str(blocked) in caplog.text


def test_what_nobody_asks_for_leaves(shared, job, drawn, tmp_path):
    """After months without use; what is used stays."""
    ref = pool_in(tmp_path / "one", job).ref
    store = ArtefactStore(shared)
    tidy(store)
    assert store.look(job) is not None
    old = time.time() - 91 * 86400
    os.utime(store.folder(ref), (old, old))
    tidy(store)
    assert not store.folder(ref).exists()


def test_killed_and_concurrent_builds_share_it(shared, job, tmp_path):
    """Builds of several stores, one killed while somebody draws: the rest go on, with one pool and one content."""
    stores = [ArtefactStore(tmp_path / name) for name in ("one", "two", "three")]
    arguments = [(str(shared), pool.STAGE, job, store) for store in stores]
    processes = [FORKS.Process(target=execute_shared, args=each) for each in arguments]
    for process in processes:
        process.start()
    while not list(shared.glob("partial/pool/*/images.arrow")):
        assert any(process.is_alive() for process in processes)
        time.sleep(0.005)
    processes[0].kill()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes[1:]] == [0, 0]
    refs = {execute(pool.STAGE, job, store).ref for store in stores}
    assert len(refs) == 1
    assert len(list(shared.glob("artefacts/pool/??/*"))) == 1
    assert not list(shared.glob("partial/pool/*"))
