"""The folder a build leaves for people: its name tells builds apart, its files are of one build, it is mended."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest

from susx.classifier import read_classifier
from susx.cli import main
from susx.images.support import read_support
from susx.pipeline.executors import PlanExecutor
from susx.pipeline.graph import build
from susx.pipeline.plan import plan_build
from susx.pipeline.run_folder import finish_run, run_name
from susx.store.garbage import collect
from susx.store.runs import damaged_runs
from susx.testing.world import World, new_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = new_world(tmp_path_factory.mktemp("world"))
    world.build()
    return world


def test_a_run_is_whole_and_mended(world: World) -> None:
    """The folder holds report, numbers, table and a classifier that loads; what is damaged the next unchanged build mends."""
    plan = plan_build(world.options)
    summary = finish_run(plan, world.result, [], world.store)
    folder = Path(summary["report"]).parent
    assert {path.name for path in folder.iterdir()} == {
        "report.html", "metrics.json", "metrics.parquet", "run.json", "support.parquet", "classifier",
    }  # fmt: skip
    assert read_classifier(folder / "classifier").facts.class_names == plan.classes
    assert damaged_runs(world.store) == []
    for name in ("classifier/classifier.json", "support.parquet", "run.json"):
        (folder / name).unlink()
        (folder / "report.html").write_text("")
        assert len(damaged_runs(world.store)) >= 1
        assert finish_run(plan, world.result, [], world.store)["report"] == summary["report"]
        assert damaged_runs(world.store) == []
    named = json.loads((folder / "run.json").read_text())["artefacts"]
    assert named["report"] == world.result.report.key


@pytest.mark.parametrize("named", [False, True], ids=["found", "named"])
def test_the_support_set_of_a_run_is_exported(world: World, tmp_path: Path, named: bool) -> None:
    """As documented: from the run's own table, with the store named or found around it."""
    summary = finish_run(plan_build(world.options), world.result, [], world.store)
    table = Path(summary["report"]).parent / "support.parquet"
    store = ["--store", str(world.store.root)] if named else []
    main(["support", "export", str(table), "--out", str(tmp_path / "out"), *store])
    kept = [row for row in read_support(table) if row.kept]
    assert len(kept) == 8
    assert len(list((tmp_path / "out").glob("*/*"))) == len(kept)
    assert {path.stem for path in (tmp_path / "out").glob("*/*")} == {row.digest[:24] for row in kept}


def test_gc_keeps_what_a_run_shows(world: World) -> None:
    """After another build of the same data set the first one's report is still an artefact, as its folder exists."""
    first = finish_run(plan_build(world.options), world.result, [], world.store)
    report = world.result.report
    world.change("curation.balance=truncate")
    world.build()
    assert world.result.report.key != report.key
    finish_run(plan_build(world.options), world.result, [], world.store)
    garbage = collect(world.store, keep_seconds=-1e6, delete=False)
    assert not [path for path, _ in garbage.removable if report.key in path]
    assert garbage.runs[first["run"]] > 0


def test_the_name_tells_prompts_apart_and_not_machines(world: World, tmp_path: Path) -> None:
    """Other prompts, seed or no measuring is another run, and its name says which; another batch size or number of workers is the same."""

    def name() -> str:
        plan = plan_build(world.options)
        return run_name(plan, build(plan, PlanExecutor(world.store)))

    known = world.options
    before = name()
    assert re.fullmatch(r"small-retrieve-demo-photo-ensemble-seed0-[0-9a-f]{8}", before)
    world.change("prompts.classify=single", seed=3)
    assert name().startswith("small-retrieve-demo-photo-single-seed3-")
    world.options = known
    world.change("encoder.batch_size=3")
    assert name() == before
    world.options = known
    world.change(evaluate=False)
    assert name() != before
    world.options = known
    world.write(photo_prompt="{} cloth.")
    world.build()
    assert name() != before


def test_prompts_that_were_replaced_are_said_in_report_and_run_json(world: World) -> None:
    """The note of the plan; rows carry the sentences they were measured with, not those that were asked for."""
    world.change(prompts="cupl")
    plan = plan_build(world.options)
    assert {outcome.ref.stage for outcome in world.build() if outcome.status == "computed"} == {"report"}
    summary = finish_run(plan, world.result, [], world.store)
    folder = Path(summary["report"]).parent
    (note,) = plan.notes
    assert note in json.loads((folder / "run.json").read_text())["notes"]
    assert note in html.unescape((folder / "report.html").read_text())
    assert {row["prompts"] for row in summary["methods"]} == {"ensemble"}
