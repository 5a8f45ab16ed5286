"""Evidence is cut down to what may be looked at, and a row says what was."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from susx.features.gather_pool import gather_pool_statistics
from susx.methods import METHODS, Evidence, TipAdapter, WhitenedPrototypes, ZeroShot
from susx.methods.access import ACCESS, MEANING, access_text, permitted, seen_by
from susx.methods.state import Fitted

EYE = torch.eye(4)


def everything() -> Evidence:
    """Two labelled and two retrieved images, their pool, and labelled validation images."""
    return Evidence(
        EYE, support_features=EYE, support_labels=torch.arange(4), support_labelled=torch.tensor([1, 0, 1, 0]).bool(),
        validation_features=EYE, validation_labels=torch.arange(4),
        pool=gather_pool_statistics(EYE, 100.0, [EYE.numpy()], "e"),
    )  # fmt: skip


def test_names_alone_leave_the_prompts() -> None:
    """Neither images nor the pool are handed to a method that looks at names."""
    left = permitted(everything(), {"names"})
    assert not left.has_support
    assert not left.has_validation
    assert left.pool is None


@pytest.mark.parametrize(("access", "labels"), [("shots", [0, 2]), ("pool", [1, 3])])
def test_an_image_is_shown_by_who_labelled_it(access: Any, labels: list[int]) -> None:
    """Shots are the images that a person labelled, the pool's are the others."""
    left = permitted(everything(), {"names", access})
    assert left.support_labels is not None
    assert left.support_labels.tolist() == labels
    assert (left.pool is None) == (access == "shots")


def test_a_protocol_adds_what_it_looks_at() -> None:
    """``val`` is shown validation, ``support`` the support, and the method's own fit neither."""
    assert permitted(everything(), {"names"}, "val").has_validation
    assert permitted(everything(), {"names"}, "support").has_support
    assert not permitted(everything(), {"names"}, "support").has_validation


def test_all_of_it_is_the_evidence_itself() -> None:
    """Where nothing has to go what was derived from the evidence is kept."""
    evidence = everything()
    assert permitted(evidence, ACCESS) is evidence


def test_a_row_says_what_was_looked_at() -> None:
    """The most that a method looks at, as far as it was there."""
    evidence = everything()
    assert seen_by(ZeroShot(), evidence, "val") == ("names",)
    assert seen_by(TipAdapter(), evidence, "val") == ("names", "pool", "shots", "validation")
    assert seen_by(TipAdapter(), permitted(evidence, {"names", "shots"})) == ("names", "shots")
    assert access_text(seen_by(WhitenedPrototypes(), permitted(evidence, {"pool"}))) == "names + pool"


def test_a_fit_is_handed_what_is_declared() -> None:
    """Also by the one place where builds, feature files and arrays fit."""
    handed: list[Evidence] = []

    class Watched(ZeroShot):
        def fit(self, evidence: Evidence, *rest: Any) -> Any:
            handed.append(evidence)
            return super().fit(evidence, *rest)

    Fitted.of(Watched(), everything())
    assert not handed[0].has_support
    assert not handed[0].has_validation


def test_every_kind_is_explained() -> None:
    """A table's legend can be printed, and no method declares a kind that has no meaning."""
    assert all(MEANING.values())
    assert frozenset().union(*(method.access for method in METHODS.values())) <= set(ACCESS)
