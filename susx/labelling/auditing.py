"""An audit of a labelled folder as one step: drawn or gone on with, answers taken, and what they promise."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from susx.errors import InputError
from susx.labelling.audit import Audit, Promise, promise
from susx.labelling.audit_files import answers_of, draw_anew, latest_audit, take_answers, write_questions
from susx.labelling.audit_words import sentences
from susx.labelling.corrected import as_corrected
from susx.labelling.label_result import LabelResult

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Audited", "audit_labels"]

_QUESTIONS = 100


@dataclass(frozen=True)
class Audited:
    """An audit, and what its answers promise so far.

    Attributes:
        audit: what was drawn.
        promise: what is promised.
        is_new: whether it was drawn by this call.
        taken: new answers.
        strangers: images of answers that the audit does not ask about.
        questions: CSV of the images without an answer, to fill in; None where all have one.
        changed: labels that are other ones since the audit was drawn.
    """

    audit: Audit
    promise: Promise
    is_new: bool = False
    taken: int = 0
    strangers: tuple[str, ...] = ()
    questions: Path | None = None
    changed: int = 0

    @property
    def sentences(self) -> list[str]:
        """What is promised, in words; empty before the first answer."""
        return sentences(self.audit, self.promise)

    def released(self) -> pd.DataFrame:
        """Return the labels that the promise is about: path, label, confidence, digest; none where nothing is promised."""
        asked = self.audit.error is not None
        promised = self.promise.released if asked else self.promise.regions[-1]
        count = promised.labels if promised else 0
        return self.audit.labels.iloc[:count][["path", "label", "confidence", "digest"]]


def audit_labels(
    result: LabelResult,
    n: int | None = None,
    *,
    error: float | None = None,
    share: float | None = None,
    confidence: float | None = None,
    again: bool = False,
    answers: Path | None = None,
    who: str | None = None,
) -> Audited:
    """Draw a random audit of the labels in a folder, or go on with the latest; the latter where none of the question's options differs.

    Args:
        result: labels that lie in a folder.
        n: images that a person will look at; None: 100.
        error: largest share of wrong labels in what is to be released.
        share: of the labels, the most confident, that are audited.
        confidence: of the promise; None: 0.95.
        again: draw another audit; it has less of the risk.
        answers: CSV of path and label to take answers from.
        who: name of answers that say none; None: the login.

    Raises:
        InputError: another question than that of the latest audit, without ``again``; answers that are no such file.
        StoreError: it cannot be kept.
    """
    folder = result.folder
    if folder is None:
        raise InputError("These labels lie in no folder, where an audit is kept: save(FOLDER) them first.")
    labelled, drawn, is_new = as_corrected(result), latest_audit(folder), False
    if drawn is None or again:
        level = confidence or 0.95
        drawn = draw_anew(folder, labelled.frame, n or _QUESTIONS, error=error, share=share, level=level)
        is_new = True
    elif other := _other_question(drawn, n, error, share, confidence):
        raise InputError(
            f"Audit {drawn.number} was drawn with {other}. Another question after its answers were seen is another audit: add --again to draw "
            "one, or leave these options out."
        )
    taken: int = 0
    strangers: tuple[str, ...] = ()
    if answers is not None:
        taken, strangers = take_answers(folder, drawn, answers, labelled.classes, who or getpass.getuser())
    answered = answers_of(folder)
    made = promise(drawn, answered)
    questions = None
    if made.answered < made.asked:
        questions = folder / "audits" / f"{drawn.number}-questions.csv"
        write_questions(drawn, answered, questions)
    return Audited(drawn, made, is_new, taken, strangers, questions, _changed(drawn, labelled.frame))


def _other_question(
    drawn: Audit, n: int | None, error: float | None, share: float | None, level: float | None
) -> str:
    """Return the options of the drawn audit that differ from what is asked now; "" where none does."""
    asked = {
        "--n": n and min(n, len(drawn.labels)),
        "--error": error,
        "--share": share,
        "--confidence": level,
    }
    then = {
        "--n": len(drawn.questions),
        "--error": drawn.error,
        "--share": drawn.share,
        "--confidence": drawn.level,
    }
    return ", ".join(
        f"{name} {then[name]}" if then[name] is not None else f"no {name}"
        for name, value in asked.items()
        if value is not None and value != then[name]
    )


def _changed(drawn: Audit, frame: pd.DataFrame) -> int:
    """Return how many audited labels are other ones now, without those that a person corrected since."""
    today = dict(zip(frame["path"], zip(frame["label"], frame["by_person"], strict=True), strict=True))
    then = zip(drawn.labels["path"], drawn.labels["label"], strict=True)
    return sum(path in today and today[path][0] != label and not today[path][1] for path, label in then)
