"""SIGKILL at random moments, and several builds on one store: nothing is lost, nothing differs, nothing is made twice."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest

from susx.testing.forks import FORKS
from susx.testing.world import CLASSES, build_world, new_world

STAGES_COMPARED = (
    "prompts",
    "encode-texts",
    "search",
    "fetch",
    "encode-images",
    "target",
    "curate",
    "fit",
    "classify",
)


def content(store) -> dict[str, str]:
    """Return key -> digest of every artefact; the report holds the time of its run and is left out."""
    found = {}
    for path in (store.root / "artefacts").glob("*/??/*/manifest.json"):
        if path.parent.parent.parent.name in STAGES_COMPARED:
            found[path.parent.name] = json.loads(path.read_text())["digest"]
    return found


def builder(world):
    """Start a process that builds a world."""
    process = FORKS.Process(target=build_world, args=(world,))
    process.start()
    return process


def finished_images(root: Path) -> dict[str, tuple[int, int]]:
    """Return committed images with inode and time of writing."""
    images = (root / "artefacts" / "fetch").rglob("*.jpg")
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in images}


def killed_builds(world, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(kills):
        before = finished_images(world.store.root)
        process = builder(world)
        process.join(rng.uniform(0.0, 6.0))
        process.kill()
        process.join()
        after = finished_images(world.store.root)
        assert {path: after[path] for path in before} == before


@pytest.mark.parametrize("kills", [12, pytest.param(100, marks=pytest.mark.nightly)])
def test_killed_at_random_moments(built, tmp_path, kills):
    """After any number of kills the next run completes, and every artefact is that of an undisturbed build."""
    world = new_world(tmp_path)
    killed_builds(world, kills, seed=kills)
    last = builder(world)
    last.join()
    assert last.exitcode == 0
    assert content(world.store) == content(built.store)
    assert world.computed() == set()


@pytest.mark.parametrize("builders", [2, 4])
def test_concurrent_builds_of_overlapping_data_sets(built, tmp_path, builders):
    """Builds of overlapping class lists on one store share their work and get what each gets alone."""
    store = str(tmp_path / "store")
    worlds = []
    for number in range(builders):
        folder = tmp_path / str(number)
        folder.mkdir()
        world = new_world(folder)
        if number % 2:
            world.write(classes=[*CLASSES[1:], "veined"])
        world.change(store=store)
        worlds.append(world)
    processes = [builder(world) for world in worlds]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * builders
    everything = content(worlds[0].store)
    assert content(built.store).items() <= everything.items()
    for world in worlds:
        assert world.computed() == set()
    assert not list((Path(store) / "partial").glob("*/*"))


def test_clock_set_back_between_runs(world, monkeypatch):
    """A build after the clock was set back finds everything fresh, and what it makes is found by the next."""
    monkeypatch.setattr(time, "time", lambda: 1_000_000.0)
    assert world.computed() == set()
    world.change("curation.balance=truncate")
    assert ("curate", "") in world.computed()
    monkeypatch.undo()
    assert world.computed() == set()
