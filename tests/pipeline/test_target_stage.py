"""The target's images within a build: what cannot be decoded is counted, named and left out, up to a share."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import json

import pytest

from susx.datasets import ReadableImages
from susx.datasets.encoded_split import EncodedSplit
from susx.datasets.split import MOST_UNREADABLE, TargetSplit
from susx.demo.textures import render
from susx.errors import InputError
from susx.pipeline import target
from susx.pipeline.executors import InlineExecutor
from susx.pipeline.graph import build
from susx.pipeline.plan import plan_build
from susx.pipeline.value import VALUE
from susx.store import ArtefactStore
from susx.store.values import read_value
from susx.testing.world import CLASSES

PER_CLASS = 6


@pytest.fixture
def photographed(world, tmp_path):
    """A built world that is measured on image files, 24 of each split, listed in a table."""
    from PIL import Image

    lines = ["path,class,split"]
    for split in ("val", "test"):
        for name in CLASSES:
            (tmp_path / "photos" / split / name).mkdir(parents=True)
            for number in range(PER_CLASS):
                path = f"{split}/{name}/{number}.png"
                Image.fromarray(render(name, "camera", split, number)).save(tmp_path / "photos" / path)
                lines.append(f"{path},{name},{split}")
    (tmp_path / "photos" / "labels.csv").write_text("\n".join(lines) + "\n")
    world.write(reader={"kind": "csv", "folder": "photos"})
    world.change(data_root=str(tmp_path))
    return world


def labels(world, split):
    return read_value(world.artefact("target", split) / VALUE, EncodedSplit)


@pytest.mark.parametrize("damage", ["truncated", "text", "missing"])
def test_a_bad_image_is_counted_and_named(photographed, tmp_path, damage):
    """One bad image of 24 is left out of the measurement; the counts, the report and its pictures know of it."""
    bad = tmp_path / "photos" / "test" / "banded" / "0.png"
    if damage == "missing":
        bad.unlink()
    else:
        bad.write_bytes(bad.read_bytes()[:60] if damage == "truncated" else b"<html>not found</html>")
    counts = {o.ref.subject: o.counts for o in photographed.build() if o.ref.stage == target.STAGE.name}
    assert counts == {"val": {"images": 24}, "test": {"images": 23, "unreadable": 1}}
    assert [*labels(photographed, "test").unreadable] == ["test/banded/0.png"]
    assert len(labels(photographed, "test").names) == 23
    report = photographed.store.folder(photographed.result.report)
    metrics = json.loads((report / "metrics.json").read_text())
    assert metrics["run"]["libraries"]["torch"] == importlib.metadata.version("torch")
    methods = metrics["methods"]
    assert {method["n"] for method in methods} == {23}
    assert "test/banded/0.png" in (report / "report.html").read_text(encoding="utf-8")


def test_too_many_bad_images_are_refused(photographed, tmp_path):
    """Above the stated share the split is another data set: refused, with names, and how to find out more."""
    for number in range(2):
        (tmp_path / "photos" / "test" / "grid" / f"{number}.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"5% of it: test/grid/0\.png .*test/grid/1\.png .*datasets check"):
        photographed.build()


@pytest.mark.parametrize(("images", "bad"), [(3, 1), (20, 1), (100, 5)])
def test_the_share_that_may_be_bad(images, bad):
    """At most ``MOST_UNREADABLE`` of a split, and one image of any split, may be undecodable."""
    from PIL import Image

    def broken():
        raise OSError("cut off")

    def split(count):
        sources = [broken] * count + [lambda: Image.new("RGB", (8, 8))] * (images - count)
        return TargetSplit(tuple((source, 0) for source in sources), tuple(f"{n}" for n in range(images)))

    assert bad == max(1, int(MOST_UNREADABLE * images))
    readable = ReadableImages(split(bad))
    assert len([*readable]) == images - bad
    assert readable.places == list(range(bad, images))
    assert [*readable.unreadable] == [str(n) for n in range(bad)]
    with pytest.raises(InputError, match="cannot be decoded"):
        [*ReadableImages(split(bad + 1))]


def test_a_report_says_when_its_build_began(world, tmp_path):
    """The time in the report is that of the plan, before all work, and not that of the report."""
    began = "2026-01-02T03:04:05+00:00"
    plan = dataclasses.replace(made := plan_build(world.options), run={**made.run, "started": began})
    assert made.run["started"] < datetime.datetime.now(datetime.timezone.utc).isoformat()
    result = build(plan, InlineExecutor(store := ArtefactStore(tmp_path / "another")))
    assert json.loads(store.path(result.report, "metrics.json").read_text())["run"]["started"] == began
