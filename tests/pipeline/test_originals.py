"""A picture that an index names by its path is fetched as it is now, whatever its index and its times say."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from susx.errors import SourceChanged
from susx.images.retrieve import fetch_images
from susx.images.retrieve.packed_images import FILE, PackedImages
from susx.pipeline import fetch
from susx.pipeline.executors import PlannedJob
from susx.pipeline.images import read_image_rows
from susx.pipeline.inputs import Done
from susx.pipeline.plan import plan_build
from susx.pipeline.stage import execute
from susx.pipeline.wiring import STAGES
from susx.store import Outcome, digest_file
from susx.testing.world import CLASSES, World


def unpacked(world: World, folder: Path) -> Path:
    """Write the embedded pool's index as one that somebody else made, of pictures that lie beside it."""
    shutil.copytree(world.artefact("pool", ""), folder)
    images = PackedImages(folder)
    pictures = [f"pics/{place:03}.jpg" for place in range(len(images))]
    (folder / "pics").mkdir()
    for place, name in enumerate(pictures):
        (folder / name).write_bytes(images.get(place))
    for name in ("susx_index.json", "manifest.json", "stat.json", FILE):
        (folder / name).unlink(missing_ok=True)
    (table,) = (folder / "metadata").glob("*.parquet")
    columns = pq.read_table(table)
    columns = columns.drop_columns([name for name in ("image_path", "url") if name in columns.column_names])
    table.unlink()
    pq.write_table(columns.append_column("image_path", pa.array(pictures)), table)
    return folder


def as_features(folder: Path) -> Path:
    """Turn such an index into a pool of features."""
    parts = sorted((folder / "img_emb").glob("*.npy"))
    np.save(folder / "features.npy", np.concatenate([np.load(part) for part in parts]).astype(np.float32))
    (table,) = (folder / "metadata").glob("*.parquet")
    shutil.move(table, folder / "rows.parquet")
    for name in ("img_emb", "metadata"):
        shutil.rmtree(folder / name)
    (folder / "image.index").unlink()
    return folder


SOURCES: dict[str, Callable[[Path], Path]] = {"index": lambda folder: folder, "features": as_features}


@pytest.fixture(params=SOURCES)
def indexed(world: World, tmp_path: Path, request: pytest.FixtureRequest) -> World:
    """A world whose pool's pictures are files, built as far as they are fetched."""
    folder = SOURCES[request.param](unpacked(world, tmp_path / "pool"))
    world.change(f"retrieval.backend={request.param}", f"retrieval.folder={folder}", evaluate=False)
    fetch_all(world)
    return world


def fetch_all(world: World) -> dict[str, Outcome]:
    """Carry a build out as far as pictures are fetched; returns what became of each class."""
    plan, done = plan_build(world.options), Done(store=world.store, account=list)
    for stage in STAGES.values():
        outcomes = [execute(stage, job, world.store) for job in stage.jobs(plan, done)]
        done = done.plus(outcome.ref for outcome in outcomes)
        if stage is fetch.STAGE:
            return {outcome.ref.subject: outcome for outcome in outcomes}
    raise LookupError(fetch.STAGE.name)


def computed(outcomes: dict[str, Outcome]) -> set[str]:
    return {name for name, outcome in outcomes.items() if outcome.status == "computed"}


def planned(world: World) -> dict[str, PlannedJob]:
    return {entry.job.subject: entry for entry in world.plan() if entry.job.stage == fetch.STAGE.name}


def fetched(world: World, outcomes: dict[str, Outcome], name: str) -> dict[str, str]:
    """Return path -> digest of the originals of what was fetched for a class."""
    rows = read_image_rows(world.store, outcomes[name].ref)
    return {row.path: row.original_digest for row in rows if row.path and row.kept}


def replace(path: Path, data: bytes) -> None:
    """Write another picture in the place of one, with its time."""
    status = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_replaced_picture_is_fetched_again(indexed: World) -> None:
    """By the classes that found it, with a reason that names the file; what is there is what was fetched."""
    outcomes = fetch_all(indexed)
    assert computed(outcomes) == set()
    before = {name: fetched(indexed, outcomes, name) for name in CLASSES}
    path = next(iter(before["dotted"]))
    other = next(iter(before["woven"].keys() - before["dotted"].keys()))
    replace(Path(path), Path(other).read_bytes())
    users = {name for name, files in before.items() if path in files}
    plans = planned(indexed)
    assert {name for name, entry in plans.items() if entry.state == "stale"} == users
    assert path in plans["dotted"].reasons[0]
    outcomes = fetch_all(indexed)
    assert computed(outcomes) == users
    assert fetched(indexed, outcomes, "dotted")[path] == digest_file(Path(other)) != before["dotted"][path]
    assert computed(fetch_all(indexed)) == set()


def test_a_picture_that_has_gone_is_missed(indexed: World) -> None:
    """And is there again when it is."""
    path = Path(next(iter(fetched(indexed, fetch_all(indexed), "dotted"))))
    path.rename(path.with_suffix(".away"))
    outcomes = fetch_all(indexed)
    assert "dotted" in computed(outcomes)
    rows = read_image_rows(indexed.store, outcomes["dotted"].ref)
    assert str(path) not in fetched(indexed, outcomes, "dotted")
    assert len(rows) > len(fetched(indexed, outcomes, "dotted"))
    path.with_suffix(".away").rename(path)
    assert str(path) in fetched(indexed, fetch_all(indexed), "dotted")


def test_one_replaced_while_it_is_fetched_is_not_kept(
    indexed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a plan saw of it is in the key: nothing else is stored under it."""
    paths = list(fetched(indexed, fetch_all(indexed), "dotted"))

    def late(*arguments: object, **named: object) -> object:
        replace(Path(paths[0]), Path(paths[1]).read_bytes())
        return fetch_images(*arguments, **named)

    replace(Path(paths[0]), Path(paths[2]).read_bytes())
    with monkeypatch.context() as patch:
        patch.setattr("susx.images.retrieve.fetch_images", late)
        with pytest.raises(SourceChanged, match="picture that the index names"):
            fetch_all(indexed)
    assert fetched(indexed, fetch_all(indexed), "dotted")[paths[0]] == digest_file(Path(paths[1]))


def test_what_waits_for_a_search_is_not_said_to_be_stale(indexed: World) -> None:
    """While the search is still to be made, the files of the last one stand in for its own."""
    indexed.write(photo_prompt="a {} surface.")
    assert {entry.state for entry in planned(indexed).values()} == {"waits"}
