"""What may be removed from a store, and what may not."""

from __future__ import annotations

import pytest

from susx.stages.stage import Stage, execute
from susx.store import ArtefactStore, Job
from susx.store.garbage import collect
from susx.store.inventory import damaged, inventory


def run(job, store, out):
    (out / "a").write_text(str(dict(job.params)))
    return {}


@pytest.fixture
def store(tmp_path):
    return ArtefactStore(tmp_path / "store")


def make(store, alpha, inputs=None):
    return execute(
        Stage("fake", 1, run, "Fake"), Job("fake", 1, "data", "cat", {"alpha": alpha}, inputs or {}), store
    )


def test_replaced_artefact_goes(store):
    """Of two artefacts of one unit of work the older may go, once it is old enough; the latest stays."""
    old, new = make(store, 1).ref, make(store, 2).ref
    assert collect(store, keep_seconds=3600, delete=False) == []
    found = collect(store, keep_seconds=-1, delete=False)
    assert [path.rsplit("/", 1)[1] for path, _ in found] == [old.key]
    assert len(list(inventory(store))) == 2
    collect(store, keep_seconds=-1, delete=True)
    assert [entry.key for entry in inventory(store)] == [new.key]


def test_inputs_of_the_latest_stay(store):
    """What the latest artefact was made from is kept, whatever its own slot says now."""
    first = make(store, 1).ref
    top = Job("top", 1, "data", "", {}, {"x": first})
    execute(Stage("top", 1, run, "Top"), top, store)
    make(store, 2)
    assert collect(store, keep_seconds=-1, delete=False) == []


def test_verify_names_the_damaged_file(store):
    """A full check hashes every file and names the altered one."""
    ref = make(store, 1).ref
    assert list(damaged(store)) == []
    store.path(ref, "a").write_text("x")
    assert [str(store.path(ref, "a")) in text for text in damaged(store)] == [True]
