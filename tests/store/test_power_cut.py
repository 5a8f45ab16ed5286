"""The power fails at every moment of a build; what the disk can hold then is verified, built again, and compared."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from susx.store import ArtefactStore, disk
from susx.store.garbage import collect
from susx.store.inventory import damaged
from susx.store.runs import damaged_runs, run_folder
from susx.testing.power_cut import Watch, images
from susx.testing.tiny_build import TinyBuild


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Facts are believed at once, so that those a power cut makes wrong are there; syncing is noted, not waited for."""
    monkeypatch.setattr(disk, "SETTLE_NS", -1)
    monkeypatch.setattr(disk, "boot", lambda: "before")
    monkeypatch.setattr(os, "fsync", lambda number: None)


def sum_of(store: ArtefactStore) -> dict[str, dict[str, bytes]]:
    """Return the files of every artefact by key, without manifest, facts and what a cut left of writing those."""
    return {
        folder.name: {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and path.name not in ("manifest.json", "stat.json") and path.name[0] != "."
        }
        for folder in (store.root / "artefacts").glob("*/??/*")
    }


def keep_facts(root: Path) -> None:
    """Let every stat.json say of each file what is true of it now, as it does on a disk that came back."""
    for path in root.rglob("stat.json"):
        known = disk.read_json(path)
        if isinstance(known, dict):
            for facts in known.values():
                for name in facts:
                    if (path.parent / name).is_file():
                        facts[name] = disk.facts_of(path.parent / name)
            path.write_text(json.dumps(known))


def fresh(store: ArtefactStore) -> None:
    TinyBuild().run(store)


def edited(store: ArtefactStore) -> None:
    """A second build of which much is new, and the run's third version."""
    build = TinyBuild()
    build.run(store)
    build.run(store)
    build.prompts["dog"] = "a hound"
    build.run(store)


def mended(store: ArtefactStore) -> None:
    """Verify finds damage and takes it out; the next build mends it."""
    (path,) = (store.root / "artefacts" / "sum-up").rglob("total.json")
    path.write_bytes(b"damage")
    next((store.root / "artefacts" / "draw").rglob("0.txt")).unlink()
    assert len(list(damaged(store))) == 2
    TinyBuild().run(store)


def collected(store: ArtefactStore) -> None:
    """gc removes what the edit replaced."""
    root = store.root
    TinyBuild(alpha=2).run(ArtefactStore(root))
    shutil.rmtree(root / "runs")
    assert collect(ArtefactStore(root), keep_seconds=-10, delete=True).removable


SCENES: list[tuple[Callable[[ArtefactStore], None], TinyBuild, bool]] = [
    (fresh, TinyBuild(), False),
    (edited, TinyBuild(prompts={"cat": "a cat", "dog": "a hound"}), True),
    (mended, TinyBuild(), True),
    (collected, TinyBuild(alpha=2), True),
]


def survive(root: Path, build: TinyBuild, what: str, *, verify: bool) -> None:
    """Verify, build and compare: whatever was lost is made again, what is there is true."""
    store = ArtefactStore(root)
    if verify:
        for said in (*damaged(store), *damaged_runs(store)):
            assert str(root) in said, what
    of_now = {outcome.ref.key for outcome in build.run(store)}
    # What an earlier build made is not looked at by this one; from now on it is no artefact.
    for said in damaged(store):
        assert not any(key in said for key in of_now), said
    for key, files in sum_of(store).items():
        assert all(data and bytes(4) not in data for data in files.values()), (what, key)
    folder = run_folder(store, "tiny")
    assert {n: (folder / n).read_bytes() for n in build.expected()} == build.expected(), what
    assert json.loads((folder / "run.json").read_text())["alpha"] == build.alpha, what
    assert (list(damaged(store)), damaged_runs(store)) == ([], []), what
    assert {outcome.status for outcome in build.run(store)} == {"cached"}, what


@pytest.mark.parametrize("draws", [1, pytest.param(60, marks=pytest.mark.nightly)])
@pytest.mark.parametrize(
    ("scene", "after", "built_before"), SCENES, ids=lambda scene: getattr(scene, "__name__", "")
)
def test_every_moment(scene, after, built_before, draws, tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """At every call that syncs or renames, every fate of what is pending ends in the result of a build from nothing."""
    root = tmp_path / "store"
    root.mkdir()
    if built_before:
        TinyBuild().run(ArtefactStore(root))
    with Watch(root) as watch:
        scene(ArtefactStore(root))
    assert len(watch.points) > 20
    monkeypatch.setattr(disk, "boot", lambda: "after")
    rng, seen, count = random.Random(draws), set(), 0

    def target() -> Path:
        folder = tmp_path / "image"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    for point in watch.points:
        for what, folder in images(point, target, draws=draws, rng=rng, seen=seen):
            keep_facts(folder)
            count += 1
            survive(folder, after, what, verify=bool(count % 2))
    assert count > len(watch.points) / 2


def test_the_watch_sees_what_is_not_synced(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Without the order of syncs the layer finds half artefacts: it would see a store that forgets one."""
    root = tmp_path / "store"
    root.mkdir()
    monkeypatch.setattr(disk, "sync_tree", lambda folder, names: None)
    with Watch(root) as watch:
        fresh(ArtefactStore(root))
    found = []

    def target() -> Path:
        folder = tmp_path / "image"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    for point in watch.points:
        for _, folder in images(point, target, draws=0, rng=random.Random(0), seen=set()):
            found += list(damaged(ArtefactStore(folder)))
    assert any("altered" in said for said in found)
    assert any("missing" in said for said in found)
