"""What may be removed from a store, and what may not."""

from __future__ import annotations

import os
import shutil
import threading
import time

import pytest

import susx.store.artefacts
from susx.pipeline.stage import Stage, execute
from susx.store import ArtefactStore, Job
from susx.store.garbage import collect
from susx.store.inventory import damaged, inventory
from susx.store.runs import publish


def run(job, store, out):
    (out / "a").write_text(str(dict(job.params)))
    return {}


@pytest.fixture
def store(tmp_path):
    return ArtefactStore(tmp_path / "store")


def make(store, alpha, inputs=None):
    """Build with a store of its own, as another process does that has ended since."""
    return execute(
        Stage("fake", 1, run, "Fake"), Job("fake", 1, "data", "cat", {"alpha": alpha}, inputs or {}),
        ArtefactStore(store.root),
    )  # fmt: skip


def paths(store, **options):
    return [path for path, _ in collect(store, keep_seconds=-10, delete=False, **options).removable]


def test_replaced_artefact_goes(store):
    """Of two artefacts of one unit of work the older may go, once it is old enough; the latest stays."""
    old, new = make(store, 1).ref, make(store, 2).ref
    assert collect(store, keep_seconds=3600, delete=False).removable == ()
    assert [path.rsplit("/", 1)[1] for path in paths(store)] == [old.key]
    assert len(list(inventory(store))) == 2
    collect(store, keep_seconds=-10, delete=True)
    assert [entry.key for entry in inventory(store)] == [new.key]


def test_inputs_of_the_latest_stay(store):
    """What the latest artefact was made from is kept, whatever its own slot says now."""
    first = make(store, 1).ref
    top = Job("top", 1, "data", "", {}, {"x": first})
    execute(Stage("top", 1, run, "Top"), top, ArtefactStore(store.root))
    make(store, 2)
    assert paths(store) == []


def test_what_a_running_build_has_read_stays(store):
    """An artefact that nothing refers to is kept while a process lives that found it, or that began before it did."""
    old = make(store, 1).ref
    make(store, 2)
    for path in (store.root / "artefacts").glob("*/*/*"):
        os.utime(path, (1, 1))
    assert [path.rsplit("/", 1)[1] for path in paths(store)] == [old.key]
    builder = ArtefactStore(store.root)
    assert builder.find(Job("fake", 1, "data", "cat", {"alpha": 1})) == old
    assert collect(store, keep_seconds=-10, delete=True).removable == ()
    assert builder.path(old, "a").is_file()
    del builder
    assert [path.rsplit("/", 1)[1] for path in paths(store)] == [old.key]
    assert not list((store.root / "locks").glob("use-*"))


def test_reading_refreshes_the_age(store):
    """An artefact found today is not a week old."""
    old = make(store, 1).ref
    make(store, 2)
    os.utime(store.folder(old), (1, 1))
    assert len(collect(store, keep_seconds=86400, delete=False).removable) == 1
    ArtefactStore(store.root).find(Job("fake", 1, "data", "cat", {"alpha": 1}))
    assert collect(store, keep_seconds=86400, delete=False).removable == ()


@pytest.mark.parametrize("moment", ["manifest", "check_files"])
def test_gc_waits_for_who_is_reading(store, monkeypatch, moment):
    """Between the check of an artefact and the refreshing of its age gc removes nothing, whenever it starts."""
    old = make(store, 1).ref
    make(store, 2)
    os.utime(store.folder(old), (1, 1))
    started, removed = threading.Event(), []

    def gc():
        started.set()
        removed.extend(collect(ArtefactStore(store.root), keep_seconds=86400, delete=True).removable)

    thread = threading.Thread(target=gc)

    def hooked(original):
        def slow(*args, **kwargs):
            if not started.is_set():
                thread.start()
                started.wait()
                time.sleep(0.3)
            return original(*args, **kwargs)

        return slow

    place = susx.store.artefacts.ArtefactStore if moment == "manifest" else susx.store.artefacts
    monkeypatch.setattr(place, moment, hooked(getattr(place, moment)))
    reader = ArtefactStore(store.root)
    found = reader.find(Job("fake", 1, "data", "cat", {"alpha": 1}))
    thread.join()
    assert found == old
    assert removed == []
    assert reader.path(old, "a").is_file()


def test_the_workspace_of_a_running_stage_stays(store):
    """However long a stage has been at work without writing, gc leaves its folder; that of a dead one goes."""
    job = Job("fake", 1, "data", "cat", {"alpha": 1})
    builder = ArtefactStore(store.root)
    builder.check_writable()
    with builder.lock(job):
        work = builder.workspace(job, resume=True)
        (work / "half").write_text("half")
        for path in (work / "half", work):
            os.utime(path, (1, 1))
        assert collect(store, keep_seconds=60, delete=True).removable == ()
        assert (work / "half").is_file()
    del builder
    assert [path for path, _ in collect(store, keep_seconds=60, delete=True).removable] == [
        f"partial/fake/{job.key}"
    ]
    assert not work.exists()
    assert not list((store.root / "locks").glob("*.lock"))


def test_torn_files_are_no_traceback(store):
    """A slot, a run.json or a manifest that is empty, torn or no mapping refers to nothing."""
    kept = make(store, 1).ref
    for place in ("slots/x/y/z.json", "runs/a/run.json", "artefacts/fake/zz/zzz/manifest.json"):
        for content in ("", "[1]", "{", "null", '{"artefacts": [1]}'):
            path = store.root / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            assert f"artefacts/fake/{kept.key[:2]}/{kept.key}" not in paths(store)


def test_the_report_of_a_run_that_exists_stays(store):
    """What a run's run.json names is kept with its inputs, and gc says how much is kept for that run alone."""
    old = make(store, 1).ref
    make(store, 2)
    file = store.path(old, "a")
    publish(
        store,
        "mine",
        {"report.html": (file, store.part(old, "a").digest)},
        {"artefacts": {"report": old.key}},
    )
    garbage = collect(store, keep_seconds=-10, delete=True)
    assert garbage.removable == ()
    assert garbage.runs["mine"] > len("{'alpha': 1}")
    shutil.rmtree(store.root / "runs")
    assert [path.rsplit("/", 1)[1] for path in paths(store)] == [old.key]


def test_verify_names_the_damaged_file(store):
    """A full check hashes every file and names the altered one."""
    ref = make(store, 1).ref
    assert list(damaged(store)) == []
    store.path(ref, "a").write_text("x")
    assert [str(store.path(ref, "a")) in text for text in damaged(store)] == [True]


def test_collecting_beside_builds_is_no_traceback(store):
    """Workspaces and artefacts that come and go while gc looks at them are passed over."""
    make(store, 1)
    ended = threading.Event()

    def churn(number):
        folder = store.root / "partial" / f"stage{number}" / "0" / "images"
        artefact = store.root / "artefacts" / f"stage{number}" / "00" / "0"
        while not ended.is_set():
            folder.mkdir(parents=True, exist_ok=True)
            artefact.mkdir(parents=True, exist_ok=True)
            (folder / "a").write_text("a")
            shutil.rmtree(folder.parents[1])
            shutil.rmtree(artefact.parents[1])

    threads = [threading.Thread(target=churn, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(60):
            collect(store, keep_seconds=3600, delete=False)
            list(inventory(store))
    finally:
        ended.set()
        for thread in threads:
            thread.join()
