"""Prompt kinds, and the text classifier their features become."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from susx.errors import ConfigError, InputError, MismatchError
from susx.naming.noise import random_descriptors
from susx.naming.templates import ensemble, ensemble80, visdesc, waffle
from susx.naming.text_classifier import classifier_from_sentences


@pytest.mark.parametrize(
    "kind", [ensemble, ensemble80, waffle, lambda n: visdesc(n, ("four legs", "a tail"))]
)
def test_every_kind_names_the_class_in_every_sentence(kind: Any) -> None:
    """Whatever the kind, each sentence is about the class, with underscores read as blanks, and none is repeated."""
    sentences = kind("tabby_cat")
    assert sentences
    assert all("tabby cat" in sentence and "{" not in sentence for sentence in sentences)
    assert len(set(sentences)) == len(sentences)


def test_the_templates_are_those_of_open_clip() -> None:
    """The seven templates are the ones open_clip publishes as simple ImageNet templates."""
    from open_clip.zero_shot_metadata import SIMPLE_IMAGENET_TEMPLATES

    assert ensemble("cat") == tuple(template("cat") for template in SIMPLE_IMAGENET_TEMPLATES)


def test_a_class_without_descriptors_is_named() -> None:
    """A class that no descriptor was written for is named."""
    with pytest.raises(ConfigError, match="'newt' has none"):
        visdesc("newt", ())


def test_waffle_is_seeded_and_shared() -> None:
    """Another seed gives other noise; two classes share one noise."""
    assert random_descriptors(1) != random_descriptors(2)
    assert [s.replace("cat", "dog") for s in waffle("cat", 5)] == list(waffle("dog", 5))


def test_rows_are_normalised_means_of_unit_rows() -> None:
    """Each sentence counts once whatever its norm, and each class keeps its place."""
    rows = classifier_from_sentences(
        {"b": torch.tensor([[10.0, 0.0], [0.0, 1.0]]), "a": torch.tensor([[0.0, 3.0]], dtype=torch.float16)}
    )
    torch.testing.assert_close(rows, torch.tensor([[0.5**0.5, 0.5**0.5], [0.0, 1.0]]))


def test_unusable_sentences_are_refused_by_class() -> None:
    """No sentences, cancelling sentences, NaN and unequal widths are refused."""
    with pytest.raises(InputError, match="'newt' has no sentences"):
        classifier_from_sentences({"newt": torch.zeros(0, 4)})
    with pytest.raises(InputError, match=r"'newt'.*cancel"):
        classifier_from_sentences({"newt": torch.tensor([[1.0, 0.0], [-1.0, 0.0]])})
    with pytest.raises(InputError, match=r"'newt'.*NaN"):
        classifier_from_sentences({"newt": torch.full((1, 2), float("nan"))})
    with pytest.raises(MismatchError, match=r"\[2, 3\]"):
        classifier_from_sentences({"a": torch.ones(1, 2), "b": torch.ones(1, 3)})
    with pytest.raises(InputError, match="no classes"):
        classifier_from_sentences({})
