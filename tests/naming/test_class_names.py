"""Every shipped class name is told in its own sentences, once."""

from __future__ import annotations

import pytest

from susx.config import PromptsConfig, load_dataset
from susx.config.folders import config_names
from susx.images.retrieve.queries import queries_for
from susx.naming import image_prompts
from susx.naming.image_sentences import photo_prompt
from susx.naming.parse_answers import mentions

every = pytest.mark.parametrize("name", config_names("datasets"))


def plural(name: str) -> str:
    """The regular English plural of a name; names in the plural stay."""
    last = name.lower()
    if last.endswith(("s", "s)")):
        return name
    if last.endswith("y") and last[-2] not in "aeiou":
        return name[:-1] + "ies"
    return name + ("es" if last.endswith(("x", "ch", "sh", "z")) else "s")


@every
def test_a_class_is_found_in_its_own_sentences(name: str) -> None:
    """A class name is recognised in its photo prompt, in a sentence, and in the plural of its last word."""
    dataset = load_dataset(name)
    missed = [
        (class_name, sentence)
        for class_name in dataset.classes
        for sentence in (
            photo_prompt(dataset, class_name),
            f"This is what the {class_name} looks like.",
            f"Two {plural(class_name)} side by side.",
        )
        if not mentions(sentence, class_name)
    ]
    assert not missed, missed[:5]


@every
def test_a_search_name_is_said_once(name: str) -> None:
    """The query of a photo prompt says the search name once: no 'Panavia Panavia Tornado'."""
    dataset = load_dataset(name)
    for class_name, hints in dataset.hints.items():
        if not hints.search_name:
            continue
        prompts = image_prompts(PromptsConfig(images="photo"), dataset, class_name)
        (query,) = queries_for(class_name, prompts, hints, 1)
        assert query.text.lower().count(hints.search_name.lower()) == 1, query.text
        first = hints.search_name.split()[0].lower()
        assert f"{first} {first}" not in query.text.lower(), query.text
