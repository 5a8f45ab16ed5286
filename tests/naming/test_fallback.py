"""Data sets that have no sentences: what takes their place, and that it is said."""

from __future__ import annotations

import pytest

from susx.cli import main
from susx.config import PromptsConfig, config_names, load_dataset, load_profile
from susx.errors import ConfigError
from susx.naming import without_sentences
from susx.pipeline.options import BuildOptions
from susx.pipeline.plan import plan_build
from susx.testing.world import new_world


@pytest.mark.parametrize("profile", config_names("profiles"))
def test_every_shipped_profile_plans_every_shipped_data_set(profile, tmp_path):
    """Down to the last class's sentences; only what has a file of sentences is classified by them."""
    settings = ()
    if load_profile(profile).encoder.model != "susx-tiny":
        weights = tmp_path / "weights.pt"
        weights.write_bytes(b"planning only takes their digest")
        for name in ("model.safetensors", "config.json", "vocab.txt"):
            (tmp_path / name).write_bytes(b"as little of a folder of weights")
        kept = tmp_path if load_profile(profile).encoder.model in ("blip", "tcl") else weights
        settings = (f"encoder.pretrained={kept}",)
    asked = load_profile(profile).prompts
    for name in config_names("datasets"):
        plan = plan_build(BuildOptions(name, "retrieve,generate", profile, settings=settings))
        assert len(plan.sentences) == len(plan.classes)
        assert all(of.images and of.classify for of in plan.sentences.values())
        served = load_dataset(name).cupl is not None or "cupl" not in asked.classify
        assert (plan.profile.prompts == asked) is served is (plan.notes == ())


def test_each_part_that_is_replaced_is_named():
    """The photo prompt for images, the ensemble for the classifier; nothing else changes."""
    dataset = load_dataset("imagenet")
    used, note = without_sentences(PromptsConfig(images="cupl", classify="single", sentences=3), dataset)
    assert used == PromptsConfig(images="photo", classify="single", sentences=3)
    assert "photo prompt" in note
    assert "ensemble" not in note
    used, note = without_sentences(PromptsConfig(classify="cupl"), dataset)
    assert used == PromptsConfig(classify="ensemble")
    assert "photo prompt" not in note
    assert "template ensemble" in note
    assert without_sentences(PromptsConfig(classify="visdesc"), dataset)[1] == ""


def test_sentences_in_the_data_set_itself_are_sentences():
    """Where every class has some no file is missed."""
    dataset = load_dataset("cifar10").model_copy(update={"cupl": None})
    asked = PromptsConfig(images="cupl", classify="cupl")
    some = dataset.model_copy(update={"prompts": {"cat": ("A cat.",)}})
    assert without_sentences(asked, some)[0].classify == "ensemble"
    every = dataset.model_copy(update={"prompts": {name: (f"My {name}.",) for name in dataset.classes}})
    assert without_sentences(asked, every) == (asked, "")


def test_the_fallback_is_said_in_the_terminal(tmp_path, capsys):
    """One line: what a build and its dry run say first."""
    world = new_world(tmp_path)
    line = "The data set 'small' has no file of CuPL sentences"
    main(
        [
            "build",
            "--dataset",
            str(world.yaml),
            "--prompts",
            "cupl",
            "--store",
            world.options.store,
            "--dry-run",
        ]
    )
    assert line in " ".join(capsys.readouterr().out.split())
    main(["prompts", "show", "--dataset", str(world.yaml), "--images", "cupl"])
    assert line in " ".join(capsys.readouterr().err.split())


def test_a_named_file_that_is_not_there_is_refused(tmp_path):
    """A slip of the pen is no data set without sentences."""
    world = new_world(tmp_path)
    world.write(cupl="nowhere.yaml")
    world.change(prompts="cupl")
    with pytest.raises(ConfigError, match=r"no file of sentences .*nowhere\.yaml"):
        world.plan()
