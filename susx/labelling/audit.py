"""A random audit of labels: what is drawn, and what the answers then promise.

The labels are judged as they were when the audit was drawn: they are kept with it, and neither corrections nor the audit's own answers change
them, so that nothing that was learnt from an audit can raise what it promises. Images that a person labelled are no part of it. What is drawn
and not answered yet counts as wrong, so that a promise made early, or after tedious images were left out, holds all the same.

Whoever audits again until the answer pleases pays for it: the first audit of a folder takes four fifths of the risk, each later one four
fifths of what is left, so that all promises ever made hold together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from susx.errors import InputError
from susx.labelling.answers_file import Answer
from susx.labelling.audit_bounds import most_wrong
from susx.labelling.audit_plan import Design, design_for_error, design_of_region
from susx.seeds import derive_seed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Audit", "Promise", "Statement", "draw_audit", "draw_sample", "promise"]

_SPENT = 0.8
_LEAST_OF_A_CLASS = 0.5


@dataclass(frozen=True)
class Audit:
    """One audit.

    Attributes:
        number: 1 for the first of a folder.
        level: confidence asked for, as 0.95.
        error: largest share of wrong labels asked for; None where the share is to be found.
        design: strata and statements.
        labels: the audited labels, the most confident first: ``path``, ``digest``, ``label``, ``confidence``, ``stratum`` and ``asked``,
            which is 0 for what is not drawn, else the place in the order of questions.
        left_out: images that a person had labelled before.
        made: when.
        share: of the labels, the most confident, that were to be audited; None where no share was named.
    """

    number: int
    level: float
    error: float | None
    design: Design
    labels: pd.DataFrame
    left_out: int = 0
    made: str = ""
    share: float | None = None

    @property
    def risk(self) -> float:
        """Of this audit alone."""
        return (1 - self.level) * _SPENT * (1 - _SPENT) ** (self.number - 1)

    @property
    def questions(self) -> pd.DataFrame:
        """The rows that are drawn, in the order in which they are asked: of any first part, a random sample."""
        return self.labels[self.labels["asked"] > 0].sort_values("asked")


@dataclass(frozen=True)
class Statement:
    """What is promised of a set of labels.

    Attributes:
        name: of the class where it is about one; "" else.
        labels: how many there are.
        threshold: the lowest confidence among them.
        looked_at: of those, by a person.
        wrong: of the latter.
        most_wrong: labels among all of them that may be wrong.
        kept: whether it is promised (``error`` alone promises less than all).
    """

    name: str
    labels: int
    threshold: float
    looked_at: int
    wrong: int
    most_wrong: int
    kept: bool = True

    @property
    def least_right(self) -> float:
        """The share that is right at least."""
        return 1 - self.most_wrong / self.labels


@dataclass(frozen=True)
class Promise:
    """What an audit says.

    Attributes:
        asked, answered, wrong: images drawn, answered, and answered with another label than theirs.
        regions: what is stated, the smallest region first.
        released: the largest region with at most the error asked for; None where there is none, or no error was asked for.
        by_class: statements about classes that are common enough; they hold together, at the same confidence.
    """

    asked: int
    answered: int
    wrong: int
    regions: tuple[Statement, ...]
    released: Statement | None
    by_class: tuple[Statement, ...]


def draw_audit(
    frame: pd.DataFrame,
    n: int,
    *,
    error: float | None = None,
    share: float | None = None,
    level: float = 0.95,
    number: int = 1,
    seed: int = 0,
    made: str = "",
) -> Audit:
    """Return the audit of a table of labels; the same for the same arguments.

    Args:
        frame: the table of labels.
        n: images that a person will look at; all of them where there are fewer.
        error: the largest share of wrong labels in what is to be released.
        share: of the labels, the most confident, that statements are about. Without ``error`` and ``share`` they are about the quarters.
        level: confidence.
        number: of audits of this folder up to this one.
        seed: root of the draw.
        made: when.

    Raises:
        InputError: nothing to audit, or a number out of its range.
    """
    if (
        n < 1
        or not 0.75 <= level < 1
        or not (error is None or 0 < error < 1)
        or not (share is None or 0 < share <= 1)
    ):
        raise InputError(
            f"An audit needs n >= 1, a confidence of 0.75 up to 1, an error between 0 and 1 and a share above 0 and up to 1; found n {n}, "
            f"confidence {level}, error {error}, share {share}."
        )
    chosen = frame[~frame["by_person"] & (frame["label"] != "")]
    if not len(chosen):
        raise InputError("There is nothing to audit: a person labelled all images of this folder.")
    labels = chosen[["path", "digest", "label"]].assign(
        confidence=np.minimum(chosen["probability"], 1 - chosen["none_of_these"])
    )
    labels = labels.sort_values(
        ["confidence", "digest", "path"], ascending=[False, True, True], ignore_index=True
    )
    size = max(1, round((share or 1.0) * len(labels)))
    labels = labels.iloc[:size]
    spent = Audit(number, level, error, Design((), (), ()), labels)
    root = derive_seed(seed, "audit", number, *labels["digest"], *labels["label"])
    if error is None:
        design = design_of_region(size, n, quarters=share is None)
    else:
        design = design_for_error(labels["confidence"].to_numpy(np.float64), n, error, spent.risk, root)
    labels = labels.iloc[: sum(design.sizes)]
    drawn = draw_sample(labels, design, root)
    return Audit(number, level, error, design, drawn, len(frame) - len(chosen), made, share)


def draw_sample(labels: pd.DataFrame, design: Design, root: int) -> pd.DataFrame:
    """Return the labels with ``stratum`` and ``asked``: from each stratum as many as the design says, without replacement.

    Args:
        labels: the most confident first, as many as the strata hold together.
        design: sizes of strata and samples.
        root: seed.
    """
    rng = np.random.default_rng(root)
    starts = np.cumsum((0, *design.sizes))
    rows = [
        start + rng.choice(size, n, replace=False)
        for start, size, n in zip(starts, design.sizes, design.drawn, strict=False)
    ]
    places = rng.permutation(np.concatenate(rows))
    asked = np.zeros(len(labels), dtype=np.int64)
    asked[places] = np.arange(1, len(places) + 1)
    return labels.assign(stratum=np.repeat(np.arange(len(design.sizes)), design.sizes), asked=asked)


def promise(audit: Audit, answers: Mapping[str, Answer]) -> Promise:
    """Return what the answers promise of the labels.

    Args:
        audit: what was drawn.
        answers: the word that counts for each image (``answers.last_words``); of images that were not drawn they are passed over.
    """
    drawn = audit.questions
    drawn_answers = [
        answers.get(digest) or answers.get(path)
        for digest, path in zip(drawn["digest"], drawn["path"], strict=True)
    ]
    right = np.array(
        [
            answer is not None and answer.label == label
            for answer, label in zip(drawn_answers, drawn["label"], strict=True)
        ],
        dtype=bool,
    )
    answered = sum(answer is not None for answer in drawn_answers)
    strata = drawn["stratum"].to_numpy()
    design, risk = audit.design, audit.risk
    each = risk if audit.error is not None else risk / len(design.regions)
    regions: list[Statement] = []
    for count in design.regions:
        sizes, samples = design.sizes[:count], design.drawn[:count]
        wrong, total = int((~right & (strata < count)).sum()), sum(sizes)
        most = most_wrong(wrong, samples, sizes, each)
        threshold = float(audit.labels["confidence"].iloc[total - 1])
        kept = audit.error is None or (most <= audit.error * total and all(region.kept for region in regions))
        regions.append(Statement("", total, threshold, sum(samples), wrong, most, kept))
    released = (
        next((region for region in reversed(regions) if region.kept), None)
        if audit.error is not None
        else None
    )
    return Promise(
        len(drawn),
        answered,
        answered - int(right.sum()),
        tuple(regions),
        released,
        _by_class(audit, drawn, right),
    )


def _by_class(audit: Audit, drawn: pd.DataFrame, right: np.ndarray) -> tuple[Statement, ...]:
    """State what is promised of the classes that are common enough for a faultless sample to show that half of their labels are right.

    A class's wrong labels are a part of all: their number is bounded from the whole sample, with no need to know how many of the class it would
    hold. Which classes are stated does not depend on the answers, and they share the risk (Bonferroni).
    """
    design, counts = audit.design, audit.labels["label"].value_counts()
    stated = 0
    for column, count in enumerate(
        counts, 1
    ):  # the more classes, the rarer the last and the less risk for each
        if most_wrong(0, design.drawn, design.sizes, audit.risk / column) > _LEAST_OF_A_CLASS * count:
            break
        stated = column
    statements = []
    for name in sorted(counts.index[:stated]):
        of_class = (drawn["label"] == name).to_numpy()
        wrong, total = int((of_class & ~right).sum()), int(counts[name])
        most = min(
            most_wrong(wrong, design.drawn, design.sizes, audit.risk / stated),
            total - int((of_class & right).sum()),
        )
        lowest = float(audit.labels["confidence"][audit.labels["label"] == name].min())
        statements.append(Statement(str(name), total, lowest, int(of_class.sum()), wrong, most))
    return tuple(statements)
