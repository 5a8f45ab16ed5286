"""A build says what it packaged and where the labelled images went, in every mode, with labelled images and without."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image
from rich.console import Console

from susx.classifier import read_classifier
from susx.commands.console import print_banner, print_summary
from susx.demo.textures import render
from susx.pipeline.plan import plan_build
from susx.pipeline.run_folder import finish_run


def summary_of(world):
    """Build and return what ``run.json`` tells, and what the terminal shows of it at 100 columns."""
    world.build()
    plan = plan_build(world.options)
    summary = finish_run(plan, world.result, [], world.store)
    console = Console(file=io.StringIO(), width=100)
    print_banner(console, plan)
    print_summary(console, summary)
    return summary, " ".join(console.file.getvalue().split())


@pytest.mark.parametrize("mode", ["retrieve", "generate", "generate,retrieve"])
def test_what_is_packaged_is_said_in_every_mode(world, mode):
    """Nothing is labelled, and the weights are set to 0: report, run.json, terminal and classifier say it is zero-shot."""
    none = "methods={tip_adapter: {alpha: 0}}"
    world.change(
        none,
        "tuning=[fixed]",
        "headline=tip_adapter",
        "generation.steps=2",
        mode=mode,
        per_class=1,
        evaluate=False,
    )
    summary, printed = summary_of(world)
    said = summary["packaged"]
    assert (said["method"], said["is_zero_shot"]) == ("tip_adapter", True)
    # Images that were drawn came from no pool; of those that were retrieved the pool says how far they are believed.
    why = "the support images have no say (alpha = 0)."
    if "retrieve" in mode and mode != "generate":
        why = "the images that the pool offers are not believed to be of their classes."
    sentence = f"ackaged: Tip-Adapter (fixed), which here is zero-shot: {why}"
    assert said["sentence"] == f"p{sentence}"
    assert f"P{sentence}" in printed
    assert summary["labelled_images"] == {}
    with open(summary["report"], encoding="utf-8") as page:
        assert f"P{sentence}" in page.read()
    assert f"P{sentence}" in read_classifier(world.store.root / "runs" / summary["run"] / "classifier").notes


def test_labelled_images_are_all_accounted_for(world, tmp_path):
    """A folder without splits is cut by class; 3 of each class: one val, one test, one neither, and no temperature of four."""
    for name in world.description["classes"]:
        (tmp_path / "data" / name).mkdir(parents=True)
        for index in range(3):
            picture = Image.fromarray(render(name, "camera", "test", index))
            picture.save(tmp_path / "data" / name / f"{index}.png")
    world.write(reader={"kind": "imagefolder", "folder": "data"})
    world.change(
        "methods={tip_adapter: {}}", "tuning=[fixed]", "headline=tip_adapter", data_root=str(tmp_path)
    )
    summary, printed = summary_of(world)
    assert summary["labelled_images"] == {"val": 4, "test": 4, "neither": 4}
    assert "The 12 labelled images come without splits" in printed
    assert "Labelled images: 4 val, 4 test, 4 neither." in printed
    assert all(row["temperature"] is None and row["calibration_images"] == 4 for row in summary["methods"])
    stored = read_classifier(world.store.root / "runs" / summary["run"] / "classifier")
    assert (stored.facts.calibrated_on, stored.facts.calibration_images) == ("", 4)
    assert any(
        "4 labelled images are too few for a temperature, which takes 128" in note for note in stored.notes
    )
    assert summary["packaged"]["is_zero_shot"] is True  # four classes of two images: the pool proves nothing
    assert any("come without splits" in note for note in json.loads(json.dumps(summary["notes"])))
