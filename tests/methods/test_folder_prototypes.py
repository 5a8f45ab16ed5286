"""Folder prototypes as a method: images that a person labelled count as the inductive classifier believes them."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from susx.methods import Evidence, FolderPrototypes, ImageFeatures, WhitenedPrototypes

CLASSES, DIM, SCALE = 8, 32, 40.0


def _unit(rows: Tensor) -> Tensor:
    return torch.nn.functional.normalize(rows)


def _images(centres: Tensor, labels: Tensor, seed: int) -> Tensor:
    noise = torch.randn(len(labels), DIM, generator=torch.Generator().manual_seed(seed)) / DIM**0.5
    return _unit(centres[labels] + 0.8 * noise)


def _world() -> tuple[Tensor, Tensor]:
    """Prompts, and centres of the classes that the prompts tell badly."""
    draw = torch.Generator().manual_seed(0)
    text = _unit(torch.randn(CLASSES, DIM, generator=draw) + 0.5)
    return text, _unit(0.3 * text + _unit(torch.randn(CLASSES, DIM, generator=draw)))


def _evidence(marks: Tensor | None, classes: int = CLASSES) -> tuple[Evidence, Tensor, Tensor]:
    text, centres = _world()
    labels = torch.arange(classes).repeat_interleave(4)
    query = torch.arange(CLASSES).repeat_interleave(20)
    evidence = Evidence(text, SCALE, _images(centres, labels, 1), labels, support_labelled=marks)
    return evidence, _images(centres, query, 2), query


@pytest.mark.parametrize("classes", [CLASSES, 3], ids=["every class", "three classes"])
def test_the_first_look_is_the_inductive_classifier(classes: int) -> None:
    """With labelled images in all classes or in some, and with none."""
    marks = torch.ones(4 * classes, dtype=torch.bool)
    for evidence, query, _ in (_evidence(marks, classes), _evidence(None, classes)):
        inductive = WhitenedPrototypes()
        expected = inductive.logits(inductive.fit(evidence), ImageFeatures(query))
        state = FolderPrototypes().fit(evidence)
        assert torch.allclose(state.inductive.logits(query), expected, atol=1e-4)


def test_labels_of_people_are_worth_more_than_guesses() -> None:
    """The same images, once said by a person; the folder then also beats the classifier that sees one image at a time."""
    evidence, query, labels = _evidence(torch.ones(4 * CLASSES, dtype=torch.bool))
    guesses = dataclasses.replace(evidence, support_labelled=None)

    def right(method: FolderPrototypes | WhitenedPrototypes, given: Evidence) -> float:
        logits = method.logits(method.fit(given), ImageFeatures(query))
        return float((logits.argmax(dim=1) == labels).float().mean())

    told = right(FolderPrototypes(), evidence)
    assert told > right(FolderPrototypes(), guesses)
    assert told >= right(WhitenedPrototypes(), evidence)
