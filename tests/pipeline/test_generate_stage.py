"""Generation within a build: what is drawn again after an edit, a deletion, a kill."""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest

from susx.pipeline.images import read_image_rows
from susx.testing.forks import FORKS
from susx.testing.world import World, build_world, new_world

CLASSES = ["banded", "grid"]
QUICK = ("generation.steps=2", "generation.batch_size=2", "tuning=[fixed]")


def generating(folder) -> World:
    world = new_world(folder)
    world.write(classes=CLASSES)
    world.change(*QUICK, mode="generate")
    return world


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A finished build in mode generate; do not change it."""
    world = generating(tmp_path_factory.mktemp("drawn"))
    world.build()
    return world


@pytest.fixture
def copy(drawn, tmp_path):
    """A private copy of the finished build."""
    import shutil

    shutil.copytree(drawn.folder / "store", tmp_path / "store")
    return generating(tmp_path)


def images(world) -> dict[str, bytes]:
    return {
        f"{name}/{path.name}": path.read_bytes()
        for name in world.description["classes"]
        for path in sorted(world.artefact("generate", name).glob("images/*.png"))
    }


def stages(pairs) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for stage, subject in pairs:
        found.setdefault(stage, set()).add(subject)
    return found


def test_every_image_has_its_provenance(drawn):
    """Rows say class, prompt, seed and model; every class starts from its own noise."""
    rows = [row for ref in drawn.result.images.values() for row in read_image_rows(drawn.store, ref)]
    assert [row.class_name for row in rows] == ["banded", "banded", "grid", "grid"]
    assert {row.origin for row in rows} == {"generated"}
    assert len({row.seed for row in rows}) == 4
    assert len({row.digest for row in rows}) == 4
    assert all(row.prompt and row.model and row.phash for row in rows)


def test_steps_draw_all_again(copy):
    """Another number of diffusion steps draws every image again, and encodes no sentence."""
    copy.change("generation.steps=3")
    computed = stages(copy.computed())
    assert computed["generate"] == set(CLASSES)
    assert not {"prompts", "encode-texts", "text-classifier", "target", "pool", "search"} & computed.keys()


def test_more_images_keep_the_first(copy):
    """Asking for three after two draws one more a class; the first two are the same files."""
    before = images(copy)
    copy.change(per_class=3)
    assert stages(copy.computed())["generate"] == set(CLASSES)
    after = images(copy)
    assert len(after) == 6
    assert {name: after[name] for name in before} == before


def test_deleted_image_is_redrawn_alone(copy):
    """One deleted image costs its class one drawing; the other file is not touched."""
    gone, kept = sorted(copy.artefact("generate", "grid").glob("images/*.png"))
    content, facts = gone.read_bytes(), (kept.stat().st_ino, kept.stat().st_mtime_ns)
    gone.unlink()
    assert copy.computed() == {("generate", "grid")}
    assert gone.read_bytes() == content
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == facts


def test_batch_size_is_no_ingredient(copy):
    """Another batch size draws nothing, and from scratch it draws the same bytes."""
    copy.change("generation.batch_size=1")
    assert copy.computed() == set()
    before = images(copy)
    import shutil

    shutil.rmtree(copy.folder / "store")
    copy.build()
    assert images(copy) == before


def test_exactness_is_an_ingredient(copy):
    """Drawing without fixed tiles may change bits, so it is another artefact; finished images are taken over."""
    before = images(copy)
    copy.change("generation.exact=false")
    assert stages(copy.computed())["generate"] == set(CLASSES)
    assert images(copy) == before


def test_killed_twice(drawn, tmp_path):
    """Two kills while drawing: the table and every image come out as in an undisturbed run."""
    world = generating(tmp_path)
    rng = random.Random(2)
    for _ in range(2):
        process = FORKS.Process(target=build_world, args=(world,))
        process.start()
        process.join(rng.uniform(3.0, 8.0))
        process.kill()
        process.join()
    world.build()
    assert images(world) == images(drawn)
    for stage, name in (("generate", "rows.parquet"), ("curate", "support.parquet")):
        for subject in CLASSES if stage == "generate" else [""]:
            mine, theirs = world.artefact(stage, subject) / name, drawn.artefact(stage, subject) / name
            assert mine.read_bytes() == theirs.read_bytes()


def test_generated_and_retrieved(copy):
    """Both sources join: curation sees both, and the drawn images are not drawn again."""
    copy.change(mode="generate,retrieve")
    computed = stages(copy.computed())
    assert "generate" not in computed
    assert computed["fetch"] == set(CLASSES)
    from susx.images.support import read_support

    rows = read_support(copy.store.path(copy.result.support, "support.parquet"))
    assert {row.origin for row in rows} == {"generated", "retrieved"}
    kept = Counter((row.class_name, row.origin) for row in rows if row.kept)
    assert kept == {(name, origin): 1 for name in CLASSES for origin in ("generated", "retrieved")}


def test_model_folder_content(copy, tmp_path):
    """An altered model folder is another model: every image is stale, with the model as the reason."""
    import json
    import shutil

    import susx.demo

    folder = tmp_path / "model"
    shutil.copytree(os.path.join(os.path.dirname(susx.demo.__file__), "tiny_diffusion"), folder)
    copy.change(f"generation.model={folder}")
    assert {entry.state for entry in copy.plan() if entry.job.stage == "generate"} == {"fresh"}
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "note": 1}))
    planned = {(e.job.stage, e.job.subject): e for e in copy.plan()}
    assert planned["generate", "grid"].state == "stale"
    assert planned["generate", "grid"].reasons[0].startswith("model.content: ")
