"""The sentences in configs/prompts: about the classes of their data set, each class in words of its own."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from susx.config import config_names, load_dataset
from susx.config.spelling import plain
from susx.naming import read_sentences
from susx.naming.parse_answers import mentions

WRITTEN = [name for name in config_names("datasets") if load_dataset(name).cupl]


def sayings(config):
    """Yield class, sentence, and the sentence without the class's name."""
    for name, sentences in read_sentences(Path(config.cupl)).items():
        search = config.hints[name].search_name if name in config.hints else None
        named = sorted({plain(text) for text in (name, search) if text}, key=len, reverse=True)
        for sentence in sentences:
            rest = plain(sentence)
            for text in named:
                rest = rest.replace(text, "@")
            yield name, sentence, " ".join(re.sub(r"\ban @", "a @", rest).split())


@pytest.mark.parametrize("name", WRITTEN)
def test_a_file_has_the_classes_of_its_data_set(name):
    """In label order, none doubled in the file, and each with three sentences or more, none lost as a repetition; a data set
    of some of another's classes shares its file."""
    config = load_dataset(name)
    text = Path(config.cupl).read_text(encoding="utf-8")
    written = yaml.safe_load(text)
    assert tuple(name for name in written if name in set(config.classes)) == config.classes
    sharing = [load_dataset(other) for other in WRITTEN]
    assert tuple(written) in [other.classes for other in sharing if other.cupl == config.cupl]
    assert len(re.findall(r"^\S.*:$", re.sub(r"^#.*$", "", text, flags=re.M), flags=re.M)) == len(written)
    assert {c: list(s) for c, s in read_sentences(Path(config.cupl)).items()} == written
    most = 7 if config.cupl.endswith("textures.yaml") else 5
    assert all(3 <= len(sentences) <= most for sentences in written.values())


@pytest.mark.parametrize("name", WRITTEN)
def test_every_sentence_names_its_class_and_is_plain_text(name):
    """By the rule that language models' answers are held to; short enough for 77 tokens, no markup, no placeholder."""
    config = load_dataset(name)
    shortest = 5 if config.cupl.endswith("textures.yaml") else 8
    for class_name, sentence, _ in sayings(config):
        search = config.hints[class_name].search_name if class_name in config.hints else None
        assert any(mentions(sentence, said) for said in (class_name, search) if said), sentence
        assert shortest <= len(sentence.split()) <= 22, sentence
        assert re.fullmatch(r"\w[\w ,.'()/&;:°-]+\.", sentence), sentence


@pytest.mark.parametrize("name", WRITTEN)
def test_no_filler_is_repeated_over_classes(name):
    """Without the class's name a sentence is said of that class only; few begin with the same three words."""
    said = [(class_name, rest) for class_name, _, rest in sayings(load_dataset(name))]
    times = Counter(rest for _, rest in said)
    assert [rest for rest, number in times.items() if number > 1] == []
    openings = Counter(" ".join(rest.split()[:3]) for _, rest in said)
    assert openings.most_common(1)[0][1] <= len(said) / 5
