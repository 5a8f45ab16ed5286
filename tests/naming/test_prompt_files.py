"""Sentences from files, for drawing and for classifying."""

from __future__ import annotations

import json
import os

import pytest

from susx.config import ClassHints, DatasetConfig, PromptsConfig
from susx.errors import ConfigError
from susx.naming import classifier_sentences, image_prompts, photo_prompt, read_sentences
from susx.naming.sentences import class_sentences


def dataset(
    tmp_path,
    text='{"cat": ["A cat.", " a  cat", "A cat sits.", ""], "hot_dog": ["A hot dog."]}',
    name="p.json",
    **more,
):
    (tmp_path / name).write_text(text)
    more = {
        "hints": {"cat": ClassHints(search_name="house cat", context="the pet")},
        "cupl": str(tmp_path / name),
        **more,
    }
    return DatasetConfig(name="d", classes=("cat", "hot dog", "no one"), **more)


def test_the_published_format_is_read_trimmed_and_without_repetitions(tmp_path):
    """Repeated up to case and full stop counts as repeated; the file's spelling of a class may differ."""
    d = dataset(tmp_path)
    assert [p.text for p in image_prompts(PromptsConfig(images="cupl"), d, "cat")] == [
        "A cat.",
        "A cat sits.",
    ]
    assert classifier_sentences(PromptsConfig(classify="cupl"), d, "hot dog") == ("A hot dog.",)


def test_yaml_is_read_like_json(tmp_path):
    """The same content gives the same sentences."""
    (tmp_path / "x.yaml").write_text("cat: [A cat.]\n")
    (tmp_path / "y.json").write_text(json.dumps({"cat": ["A cat."]}))
    assert (
        dict(read_sentences(tmp_path / "x.yaml"))
        == dict(read_sentences(tmp_path / "y.json"))
        == {"cat": ("A cat.",)}
    )


def test_an_edited_file_is_read_again(tmp_path):
    """Within one process, and changes only the edited class."""
    d = dataset(tmp_path)
    before = {n: classifier_sentences(PromptsConfig(classify="cupl"), d, n) for n in ("cat", "hot dog")}
    dataset(tmp_path, '{"cat": ["A cat that runs."], "hot_dog": ["A hot dog."]}')
    os.utime(tmp_path / "p.json", ns=(1, 1))
    after = {n: classifier_sentences(PromptsConfig(classify="cupl"), d, n) for n in ("cat", "hot dog")}
    assert after["cat"] == ("A cat that runs.",)
    assert after["hot dog"] == before["hot dog"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "found a list"),
        ('{"cat": "A cat."}', "list of sentences, found a str"),
        ('{"cat": [1]}', "list of sentences"),
        ("{", "cannot be read"),
    ],
)
def test_another_format_is_refused_with_the_file_and_class(tmp_path, text, message):
    """The message names the file."""
    with pytest.raises(ConfigError, match=message) as error:
        classifier_sentences(PromptsConfig(classify="cupl"), dataset(tmp_path, text), "cat")
    assert "p.json" in str(error.value)


def test_a_class_without_sentences_is_named(tmp_path):
    """And so is the way out."""
    with pytest.raises(ConfigError, match=r"'no one'.*susx prompts write"):
        image_prompts(PromptsConfig(images="cupl"), dataset(tmp_path), "no one")
    with pytest.raises(ConfigError, match="names no file of CuPL sentences"):
        image_prompts(PromptsConfig(images="cupl"), dataset(tmp_path, cupl=None), "cat")
    with pytest.raises(ConfigError, match="There is no file"):
        image_prompts(PromptsConfig(images="cupl"), dataset(tmp_path, cupl="/nowhere.json"), "cat")


def test_photo_prompts_carry_hints_only_when_searching(tmp_path):
    """The text classifier speaks of the class by its name."""
    d = dataset(tmp_path)
    assert photo_prompt(d, "cat") == "A photo of a cat."
    assert [p.text for p in image_prompts(PromptsConfig(), d, "cat")] == ["A photo of a house cat, the pet."]
    assert classifier_sentences(PromptsConfig(classify="single"), d, "cat") == ("A photo of a cat.",)
    with pytest.raises(ConfigError, match="not a class"):
        photo_prompt(d, "dog")


def test_names_with_braces_quotes_and_emoji_survive():
    """No format string sees a class name."""
    d = DatasetConfig(name="d", classes=('{x} "q" 🏄 /a/', "{}"))
    assert photo_prompt(d, d.classes[0]) == 'A photo of a {x} "q" 🏄 /a/.'
    assert photo_prompt(d, "{}") == "A photo of a {}."


def test_the_choice_of_ten_is_stable(tmp_path):
    """A new sentence displaces at most one; order in the file does not matter to the choice."""
    lines = [f"A cat number {i}." for i in range(30)]
    d = dataset(tmp_path, json.dumps({"cat": lines}))
    chosen = {p.text for p in image_prompts(PromptsConfig(images="cupl"), d, "cat")}
    assert len(chosen) == 10
    d = dataset(tmp_path, json.dumps({"cat": [*reversed(lines), "A cat on a mat."]}), "q.json")
    assert len(chosen - {p.text for p in image_prompts(PromptsConfig(images="cupl"), d, "cat")}) <= 1


def test_hand_written_sentences_replace_the_others(tmp_path):
    """For images and for the classifier."""
    d = dataset(tmp_path, prompts={"cat": ("My cat.",)})
    assert [p.text for p in image_prompts(PromptsConfig(), d, "cat")] == ["My cat."]
    assert classifier_sentences(PromptsConfig(classify="cupl"), d, "cat") == ("My cat.",)


def test_every_kind_gives_sentences(tmp_path):
    """Seven, eighty, both, descriptors and waffle; distinct and naming the class."""
    (tmp_path / "v.json").write_text('{"cat": ["whiskers", "a long tail"]}')
    d = dataset(tmp_path, descriptors=str(tmp_path / "v.json"))
    counts = {}
    for kind in ("single", "ensemble", "ensemble80", "cupl", "cupl+ensemble", "visdesc", "waffle"):
        sentences = classifier_sentences(PromptsConfig(classify=kind), d, "cat")
        assert len(set(sentences)) == len(sentences)
        assert all("cat" in s for s in sentences)
        counts[kind] = len(sentences)
    assert counts == {
        "single": 1,
        "ensemble": 7,
        "ensemble80": 80,
        "cupl": 2,
        "cupl+ensemble": 9,
        "visdesc": 2,
        "waffle": counts["waffle"],
    }
    with pytest.raises(ConfigError, match="descriptors"):
        classifier_sentences(PromptsConfig(classify="visdesc"), dataset(tmp_path), "cat")


def test_flagged_sentences_are_not_used_until_someone_takes_them_out(tmp_path):
    """A sentence that does not name its class waits in `flagged`; taken out of that list, it counts."""
    import yaml

    entry = {"sentences": ["A crane by a lake.", "It flies."], "flagged": ["It flies."]}
    file = tmp_path / "birds.yaml"
    file.write_text(yaml.safe_dump({"written_by": {"model": "m"}, "classes": {"crane": entry}}))
    assert class_sentences(file, "crane") == ("A crane by a lake.",)
    file.write_text(
        yaml.safe_dump({"written_by": {"model": "m"}, "classes": {"crane": entry | {"flagged": []}}})
    )
    assert class_sentences(file, "crane") == ("A crane by a lake.", "It flies.")
