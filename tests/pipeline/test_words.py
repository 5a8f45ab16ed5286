"""Words for the classes: aliases counted in captions, classes without a name, and what becomes stale with them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from susx.config import EncoderConfig
from susx.demo.textures import render
from susx.errors import ConfigError, InputError
from susx.features.encoder import load_encoder
from susx.images.retrieve.backends.backend import even_places
from susx.pipeline import text_classifier, words
from susx.pipeline.inputs import Artefacts
from susx.pipeline.plan import plan_build
from susx.testing.world import CLASSES, new_world

ALIASES = {"woven": ["weave", "basket weave"], "dotted": ["spotted"]}


def said(world, name):
    [ref] = [o.ref for o in world.build() if o.ref.stage == "words"]
    return words.read(world.store, Artefacts((ref,)), name)


def report_of(world):
    return json.loads((world.store.folder(world.result.report) / "metrics.json").read_text())


def captions_of(world):
    (metadata,) = world.artefact("pool", "").glob("metadata/*.parquet")
    return [caption.lower() for caption in pd.read_parquet(metadata)["caption"]]


def test_the_word_of_most_captions_is_said(world):
    """Prompts, text and queries of a class use the most frequent of its words; the report gives counts and the change."""
    world.write(aliases=ALIASES)
    found = said(world, "woven")
    counted = {name: sum(name in caption for caption in captions_of(world)) for name in found.counts}
    assert dict(found.counts) == counted
    assert found.captions == 240
    assert found.name == max(counted, key=counted.get) != "woven"
    prompts = json.loads((world.artefact("prompts", "") / "prompts.json").read_text())
    assert all(found.name in sentence for kind in prompts["woven"].values() for sentence in kind)
    searched = pd.read_parquet(world.artefact("search", "woven") / "candidates.parquet")
    assert set(searched["query"]) == {f"{found.name} texture."}
    shown = report_of(world)
    assert {w["class_name"]: w["called"] for w in shown["words"]}["woven"] == found.name
    assert "with the names as given" in shown["words_gain"]
    page = (world.store.folder(world.result.report) / "report.html").read_text()
    assert "Words for the classes" in page
    text = world.result.text
    given, used = (
        text_classifier.read(world.store, text).of(CLASSES).by_own_name,
        text_classifier.read(world.store, text).of(CLASSES).rows,
    )
    assert [bool((a == b).all()) for a, b in zip(given, used, strict=True)] == [
        name not in ALIASES or said(world, name).name == name for name in CLASSES
    ]  # fmt: skip


def test_aliases_touch_their_class_alone(world):
    """Other classes keep their sentences and searches; an alias that loses leaves its class as it was, but for its key."""
    world.change(evaluate=False)
    world.build()
    world.write(aliases={"grid": ["no caption says this"]})
    computed = world.computed()
    assert {subject for stage, subject in computed if stage in {"encode-texts", "search"}} == {"grid"}
    assert not {stage for stage, _ in computed} & {
        "fetch",
        "encode-images",
        "curate",
        "fit",
        "package",
    }
    world.write(aliases=ALIASES)
    computed = world.computed()
    assert {subject for stage, subject in computed if stage == "encode-texts"} >= {"woven"}
    assert {subject for stage, subject in computed if stage == "encode-texts"} <= {"woven", "dotted", "grid"}


def test_an_alias_that_names_another_class_is_left_aside(tmp_path):
    """However frequent it is; the plan says so."""
    world = new_world(tmp_path)
    world.write(aliases={"dotted": ["Woven", "spotted"]})
    plan = plan_build(world.options)
    assert list(plan.aliases["dotted"]) == ["spotted"]
    assert "'Woven' (of 'dotted')" in plan.notes[-1]


def test_without_captions_names_stay(tmp_path):
    """A backend without captions, or no pool at all: aliases are left aside and a note says so."""
    world = new_world(tmp_path)
    world.write(aliases=ALIASES)
    plan = plan_build(world.options)
    assert plan.aliases
    world.change("retrieval.backend=service", "retrieval.url=http://127.0.0.1:9/knn-service")
    other = plan_build(world.options)
    assert not other.aliases
    assert "Aliases are left aside" in other.notes[-1]


@pytest.mark.parametrize(
    ("aliases", "message"),
    [
        ({"woven": ["mesh"], "grid": ["Mesh"]}, "stands for 'woven' and for 'grid'"),
        ({"wovn": ["mesh"]}, "aliases names 'wovn'"),
        ({"woven": [" "]}, "empty name"),
        ({"woven": ["a\nb"]}, "control character"),
        ({"woven": ["x" * 300]}, "300 characters"),
    ],
)
def test_aliases_that_cannot_be(tmp_path, aliases, message):
    """Two classes with one alias, unknown classes, words that no prompt can hold: one sentence before any work."""
    world = new_world(tmp_path)
    world.write(aliases=aliases)
    with pytest.raises(ConfigError, match=message):
        plan_build(world.options)


def test_a_name_that_is_a_word_of_the_template(tmp_path):
    """A class called 'photo' is said by its alias where its name stands, not wherever the word occurs."""
    world = new_world(tmp_path)
    world.write(
        classes=["photo", "grid"],
        photo_prompt="A photo of a {}.",
        aliases={"photo": ["snapshot"]},
        reader=None,
    )
    world.change(prompts="photo")
    spoken = plan_build(world.options).aliases["photo"]["snapshot"]
    assert spoken.classify == ("A photo of a snapshot.",)
    assert [prompt.text for prompt in spoken.images] == ["A photo of a snapshot."]


def test_an_unnamed_class_needs_something_to_be_known_by(tmp_path):
    """No examples, an empty folder of examples, or a backend without captions: refused before any work."""
    world = new_world(tmp_path)
    hints = {"grid": {"unnamed": True}}
    world.write(hints=hints)
    with pytest.raises(ConfigError, match="no examples to know it by"):
        plan_build(world.options)
    (tmp_path / "examples" / "grid").mkdir(parents=True)
    world.write(examples="examples")
    with pytest.raises(ConfigError, match="has no images"):
        plan_build(world.options)


@pytest.fixture
def captionless(tmp_path):
    """A world on a pool of features that has no captions."""
    encoder = load_encoder(EncoderConfig(model="susx-tiny"))
    images = [Image.fromarray(render(name, "web", "pool", i)) for name in CLASSES for i in range(4)]
    (tmp_path / "pool").mkdir()
    np.save(tmp_path / "pool" / "features.npy", encoder.encode_images(images).numpy())
    world = new_world(tmp_path)
    world.change(
        "retrieval.backend=features",
        f"retrieval.folder={tmp_path / 'pool'}",
        "curation.min_side=1",
        evaluate=False,
    )
    return world


def test_a_pool_without_captions_keeps_names(captionless):
    """Nothing is counted, and of equals the name itself is said."""
    captionless.write(aliases=ALIASES)
    found = said(captionless, "woven")
    assert (found.name, set(found.counts.values()), found.captions) == ("woven", {0}, 16)
    assert text_classifier.read(captionless.store, captionless.result.text).by_own_name is None


def test_captions_must_be_there(captionless):
    """An unnamed class whose neighbours have no captions stops, and is named."""
    folder = captionless.folder / "examples" / "grid"
    folder.mkdir(parents=True)
    Image.fromarray(render("grid", "web", "train", 0)).save(folder / "own.png")
    captionless.write(examples="examples", hints={"grid": {"unnamed": True}}, reader=None)
    with pytest.raises(InputError, match=r"'grid' is unnamed, and none of the 16 images"):
        captionless.build()


def test_sentences_by_hand_are_said_as_they_stand(tmp_path):
    """An alias changes neither the queries nor the text of a class that has sentences of its own."""
    world = new_world(tmp_path)
    world.write(aliases={"grid": ["graph paper"]}, prompts={"grid": ["Lines that cross.", "a grid"]})
    world.change(prompts="cupl")
    [job] = [
        entry.job for entry in world.plan() if (entry.job.stage, entry.job.subject) == ("search", "grid")
    ]
    assert [query["text"] for query in job.params["aliases"]["graph paper"]] == [
        "Lines that cross.",
        "a grid",
    ]
    world.write(hints={"grid": {"unnamed": True}}, examples="examples")
    with pytest.raises(ConfigError, match="is unnamed and has sentences of its own"):
        plan_build(world.options)


@pytest.mark.parametrize("total", [0, 1, 999, 1000, 1001, 1999, 2001, 10**9])
def test_no_more_places_than_asked_for(total):
    """Evenly spread from the first on, and all of them where there are few."""
    places = even_places(total, 1000)
    assert len(places) == total if total <= 1000 else 334 <= len(places) <= 1000
