"""How pure the support came out: counts, cosines, and the classes that the prompts know least."""

from __future__ import annotations

import pytest
import torch

from susx.methods import Evidence
from susx.records import SupportRow
from susx.report.model import Confidence, Purity
from susx.report.purity import purity, purity_sentence

CLASSES = ("cat", "dog", "eel")


def row(name: str, rejected: str = "", origin: str = "retrieved", digest: str = "d" * 64) -> SupportRow:
    return SupportRow(name, "", digest, origin, "a", rejected=rejected)


def test_counts_and_cosines() -> None:
    """Fetched are those that became files, kept or not; what was drawn or provided is not among them, nor a class without any."""
    rows = [
        row("cat"), row("cat"), row("cat", "surplus"), row("cat", "dead-link", digest=""), row("cat", origin="generated"),
        row("dog"), row("eel", origin="provided"),
    ]  # fmt: skip
    evidence = Evidence(
        text_classifier=torch.eye(3), logit_scale=100.0, class_names=CLASSES,
        support_features=torch.tensor([[1.0, 0, 0], [0.6, 0.8, 0], [0, 0.8, 0.6], [0, 0, 1.0]]),
        support_labels=torch.tensor([0, 0, 1, 2]),
    )  # fmt: skip
    told = purity(rows, evidence, CLASSES, [Confidence("cat", 0.7, trust=0.5)])
    assert [(one.class_name, one.kept, one.fetched) for one in told] == [("cat", 2, 3), ("dog", 1, 1)]
    assert [one.similarity for one in told] == pytest.approx([0.8, 0.8])
    assert [(one.confidence, one.trust) for one in told] == [(0.7, 0.5), (None, None)]


def test_the_sentence_names_the_least_sure() -> None:
    rows = [Purity(f"c{at}", 2, 4, 0.2, 0.1 * at, 0.5 if at == 1 else None) for at in range(1, 6)]
    text = purity_sentence(rows)
    assert text.startswith("10 of 20 fetched images were kept as support.")
    assert "'c1'" in text
    assert "trusted by" in text
    assert "mean similarity 0.20" in text
    assert "'c4'" not in text
    assert purity_sentence([Purity("a", 1, 2)]) == "1 of 2 fetched images were kept as support."
    assert purity_sentence([]) == ""
