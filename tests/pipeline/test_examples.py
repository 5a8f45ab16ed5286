"""Images of one's own per class: in the support, in the search, and beside or instead of a name."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from PIL import Image

from susx.demo.textures import render
from susx.errors import ConfigError
from susx.images.examples import find_examples
from susx.pipeline import text_classifier
from susx.pipeline.plan import plan_build
from susx.testing.world import CLASSES, new_world


def draw(folder, texture, count=3, start=0):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(start, start + count):
        Image.fromarray(render(texture, "web", "train", i)).save(folder / f"{i}.png")


def support_of(world):
    return pd.read_parquet(world.store.path(world.result.support, "support.parquet"))


def notes_of(world):
    return json.loads((world.store.folder(world.result.report) / "metrics.json").read_text())["notes"]


def test_seeds_join_the_support_and_the_search(world):
    """They come first, are never surplus, search by image on the scale of the text, and touch their class alone."""
    draw(world.folder / "examples" / "Woven", "woven", 3)
    (world.folder / "examples" / "Woven" / "broken.png").write_bytes(b"no image")
    (world.folder / "examples" / "Woven" / ".hidden.png").write_bytes(b"no image")
    (world.folder / "examples" / "Woven" / "notes.txt").write_text("no image")
    world.write(examples="examples")
    computed = world.computed()
    assert {s for stage, s in computed if stage in {"examples", "search"}} == {"woven"}
    assert not {stage for stage, _ in computed} & {
        "pool",
        "words",
        "prompts",
        "encode-texts",
        "text-classifier",
        "target",
    }
    table = support_of(world)
    own = table[table["origin"] == "provided"]
    assert set(own["class_name"]) == {"woven"}
    assert list(own["rejected"]) == ["not-an-image" if not f else "" for f in own["file"]]
    assert (own["rejected"] == "").sum() == 3  # two images a class are asked for: one's own are all kept
    kept = table[table["rejected"] == ""]
    assert set(kept[kept["class_name"] == "woven"]["origin"]) == {"provided"}
    found = pd.read_parquet(world.artefact("search", "woven") / "candidates.parquet")
    by_image = found["query"] == "images like those provided"
    assert 0 < by_image.sum() <= 4
    # An image that both searches find stays once, with the better of its two: the means are equal before that alone.
    by_text = found[~by_image]["similarity"]
    assert by_text.min() < found[by_image]["similarity"].mean() < by_text.max()
    assert not any("contradict" in note for note in notes_of(world))
    assert world.computed() == set()
    draw(world.folder / "examples" / "Woven", "woven", 1, start=7)
    assert {s for stage, s in world.computed() if stage in {"examples", "search"}} == {"woven"}


def test_seeds_that_contradict_the_name_are_told(world):
    """Pictures of another class in a class's folder are used, and the report says what they look like."""
    draw(world.folder / "examples" / "woven", "dotted", 4)
    world.write(examples="examples")
    world.build()
    [note] = [note for note in notes_of(world) if "contradict" in note]
    assert "examples of 'woven'" in note
    assert "look more like 'dotted'" in note


def test_instead_of_a_name(world):
    """A part number is known by its pictures: captions of images like them speak for it, and its images are found."""
    draw(world.folder / "examples" / "SKU-17", "woven", 4)
    classes = ["banded", "dotted", "grid", "SKU-17"]
    world.write(classes=classes, examples="examples", hints={"SKU-17": {"unnamed": True}}, reader=None)
    world.build()
    text = text_classifier.read(world.store, world.result.text).of(classes).rows
    named = new_world(world.folder)
    named.build()
    names = text_classifier.read(named.store, named.result.text).of(CLASSES).rows
    assert CLASSES[int((names @ text[3]).argmax())] == "woven"
    given = text_classifier.read(world.store, world.result.text).of(classes).by_own_name
    assert float(given[3] @ names[3]) < float(text[3] @ names[3])
    table = support_of(world)
    kept = table[(table["rejected"] == "") & (table["class_name"] == "SKU-17")]
    assert (kept["origin"] == "provided").sum() == 4
    [entry] = json.loads((world.store.folder(world.result.report) / "metrics.json").read_text())["words"]
    assert len(entry["sentences"]) == 10
    # The pool has five woven pictures: their captions agree best, whatever else lies near.
    assert any(word in entry["sentences"][0].lower() for word in ("woven", "weave"))


def test_files_of_a_folder(tmp_path):
    """Folders are classes by name, in other spellings too; anything else is refused with what to do."""
    draw(tmp_path / "polka_dotted" / "more", "dotted", 1)
    draw(tmp_path / "grid", "grid", 2)
    (tmp_path / "woven").mkdir()
    (tmp_path / ".cache").mkdir()
    (tmp_path / "README.md").write_text("about")
    found = find_examples(tmp_path, ["woven", "grid", "polka-dotted"])
    assert found == {"grid": ("grid/0.png", "grid/1.png"), "polka-dotted": ("polka_dotted/more/0.png",)}
    assert list(found) == ["grid", "polka-dotted"]
    with pytest.raises(ConfigError, match=r"polka_dotted is no class's.*Did you mean"):
        find_examples(tmp_path, ["woven", "grid", "polka-dot"])
    Image.new("RGB", (8, 8)).save(tmp_path / "loose.png")
    with pytest.raises(ConfigError, match="lies beside the folders"):
        find_examples(tmp_path, ["woven", "grid", "polka-dotted"])
    with pytest.raises(ConfigError, match="is not there"):
        find_examples(tmp_path / "none", ["woven"])


def test_an_empty_folder_is_told(tmp_path):
    """Nothing to read is no fault, and no silence."""
    world = new_world(tmp_path)
    (tmp_path / "examples").mkdir()
    world.write(examples="examples")
    plan = plan_build(world.options)
    assert not plan.examples
    assert "holds no images" in plan.notes[-1]


def test_no_seed_can_be_decoded(world):
    """The class goes on with its name; the rows tell why."""
    (world.folder / "examples" / "grid").mkdir(parents=True)
    (world.folder / "examples" / "grid" / "a.png").write_bytes(b"\x89PNG but no more")
    world.write(examples="examples")
    world.build()
    table = support_of(world)
    assert (table[(table["class_name"] == "grid") & (table["rejected"] == "")]["origin"] == "retrieved").all()
    assert len(table[table["origin"] == "provided"]) == 1
