"""Audits: what is drawn, what the answers promise, and that the promise is kept."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from susx.errors import InputError
from susx.labelling.answers_file import Answer
from susx.labelling.audit import Audit, Promise, draw_audit, promise
from susx.labelling.label_table import COLUMNS


def table(n: int, right: float = 0.9, seed: int = 0, classes: int = 3) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return labels with honest probabilities, and what is true of each image."""
    rng = np.random.default_rng(seed)
    probability = rng.beta(9 * right, 9 * (1 - right), n)
    label = np.array([f"class {at % classes}" for at in range(n)], dtype=object)
    digest = [f"{at:064x}" for at in range(n)]
    truth = np.where(rng.random(n) < probability, label, "other")
    frame = pd.DataFrame({
        "path": [f"{at}.jpg" for at in range(n)], "label": label, "probability": probability, "second": "", "second_probability": 0.0,
        "margin": probability, "none_of_these": 0.0, "group": np.arange(n), "by_person": False, "digest": digest,
    })[list(COLUMNS)]  # fmt: skip
    return frame, dict(zip(digest, truth, strict=True))


def answered(audit: Audit, truth: dict[str, str], count: int | None = None) -> Promise:
    digests = audit.questions["digest"][:count]
    return promise(audit, {digest: Answer("", "", digest, truth[digest]) for digest in digests})


def wrong_among(audit: Audit, truth: dict[str, str], count: int) -> int:
    part = audit.labels.iloc[:count]
    return sum(truth[digest] != label for digest, label in zip(part["digest"], part["label"], strict=True))


@pytest.mark.parametrize("question", [{}, {"share": 0.5}, {"error": 0.1}])
def test_a_draw_is_a_function_of_the_labels(question: dict[str, float]) -> None:
    """The order of the table changes nothing; another audit number draws other images."""
    frame, _ = table(900)
    one = draw_audit(frame, 60, **question)  # type: ignore[arg-type]
    shuffled = draw_audit(frame.sample(frac=1, random_state=1), 60, **question)  # type: ignore[arg-type]
    again = draw_audit(frame, 60, number=2, **question)  # type: ignore[arg-type]
    assert list(one.questions["digest"]) == list(shuffled.questions["digest"])
    assert set(one.questions["digest"]) != set(again.questions["digest"])
    assert len(one.questions) == 60
    assert one.labels["confidence"].is_monotonic_decreasing
    assert sum(one.design.sizes) == len(one.labels)


def test_a_faultless_sample_promises_what_its_size_allows() -> None:
    """Of 4,312 labels 100 are looked at, none wrong: 3.2 % at the four fifths of the risk that a first audit has."""
    frame, _ = table(4312)
    audit = draw_audit(frame, 100, share=1.0)
    said = answered(audit, dict(zip(frame["digest"], frame["label"], strict=True)))
    (region,) = said.regions
    assert (said.asked, said.answered, said.wrong) == (100, 100, 0)
    assert region.least_right == pytest.approx(0.04 ** (1 / 100), abs=0.002)


def test_what_is_not_answered_counts_as_wrong() -> None:
    """A promise made early is never above the one made at the end."""
    frame, truth = table(900)
    audit = draw_audit(frame, 80, share=0.5)
    shares = [answered(audit, truth, count).regions[0].least_right for count in (0, 20, 79, 80)]
    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert answered(audit, truth, 20).answered == 20


def test_a_census_promises_the_truth() -> None:
    """When every label is looked at nothing is left to chance."""
    frame, truth = table(60)
    audit = draw_audit(frame, 1000, share=1.0)
    said = answered(audit, truth)
    assert said.asked == 60
    assert said.regions[0].most_wrong == wrong_among(audit, truth, 60) == said.wrong


def test_later_audits_have_less_of_the_risk() -> None:
    """All audits of a folder together never have more than what was asked for."""
    frame, _ = table(100)
    risks = [draw_audit(frame, 10, number=number).risk for number in range(1, 30)]
    assert sum(risks) <= 0.05 + 1e-12
    assert risks == sorted(risks, reverse=True)


def test_what_people_said_before_is_not_audited() -> None:
    """Corrected images are right by word, not by label."""
    frame, _ = table(300)
    frame.loc[frame.index[:250], "by_person"] = True
    audit = draw_audit(frame, 100, share=1.0)
    assert len(audit.labels) == 50
    assert audit.left_out == 250
    with pytest.raises(InputError, match="nothing to audit"):
        draw_audit(frame.assign(by_person=True), 10)


def test_answers_given_afterwards_as_corrections_change_nothing() -> None:
    """The labels are judged as they were drawn: other labels in the table of today do not enter."""
    frame, truth = table(900, right=0.7)
    audit = draw_audit(frame, 100, share=1.0)
    before = answered(audit, truth)
    frame["label"] = frame["digest"].map(truth)
    assert answered(audit, truth) == before
    assert before.wrong > 0


@pytest.mark.parametrize(
    ("question", "right"), [({}, 0.7), ({"share": 0.5}, 0.9), ({"error": 0.1}, 0.8), ({"error": 0.05}, 0.95)]
)
def test_in_many_audits_the_promise_is_kept(question: dict[str, float], right: float) -> None:
    """All statements of an audit hold in all but 5 % of 120 audits (14 are what chance allows once in a thousand)."""
    frame, truth = table(700, right=right)
    broken = released = 0
    for seed in range(120):
        audit = draw_audit(frame, 150, seed=seed, **question)  # type: ignore[arg-type]
        said = answered(audit, truth)
        if audit.error is None:
            broken += any(wrong_among(audit, truth, one.labels) > one.most_wrong for one in said.regions)
        elif said.released is not None:
            released += said.released.labels
            broken += wrong_among(audit, truth, said.released.labels) > audit.error * said.released.labels
    assert broken <= 14
    assert audit.error is None or released > 0


def test_statements_about_classes_hold_together() -> None:
    """And classes too rare to say anything about are left out."""
    frame, truth = table(1500, right=0.8, classes=2)
    rare = frame.index[::50]
    frame.loc[rare, "label"] = "rare"
    broken = 0
    for seed in range(80):
        audit = draw_audit(frame, 200, share=1.0, seed=seed)
        said = answered(audit, truth)
        assert {one.name for one in said.by_class} == {"class 0", "class 1"}
        for one in said.by_class:
            labels = audit.labels[audit.labels["label"] == one.name]
            wrong = sum(truth[digest] != one.name for digest in labels["digest"])
            assert one.labels == len(labels)
            broken += wrong > one.most_wrong
    assert broken <= 11


@pytest.mark.parametrize("n", [1, 2, 5])
def test_tiny_folders_and_tiny_samples(n: int) -> None:
    """One image, one class, a sample of one: a promise that says little, and no error."""
    for size in (1, 2, 7):
        frame, truth = table(size)
        for question in ({}, {"share": 0.1}, {"error": 0.02}):
            audit = draw_audit(frame, n, **question)  # type: ignore[arg-type]
            said = answered(audit, truth)
            assert 1 <= said.asked <= min(n, size)


@pytest.mark.parametrize(
    "wrong", [{"n": 0}, {"n": 5, "error": 1.5}, {"n": 5, "share": 0.0}, {"n": 5, "level": 0.5}]
)
def test_numbers_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    """The message says the ranges and what was given."""
    frame, _ = table(10)
    with pytest.raises(InputError, match="An audit needs n >= 1"):
        draw_audit(frame, **wrong)  # type: ignore[arg-type]
