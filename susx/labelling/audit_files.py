"""Audits of a labelled folder on the disk: what was drawn is fixed in one rename, answers are lines of ``audit.csv``.

RESULT/audits/1/audit.json    the question and the design
RESULT/audits/1/labels.csv    the labels as they were when they were drawn, the most confident first
RESULT/audit.csv              answers, of the form of corrections and never mixed with them
"""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from susx.errors import InputError, StoreError
from susx.labelling.answers_file import Answer, AnswerFile, last_words, now
from susx.labelling.audit import Audit, draw_audit
from susx.labelling.audit_plan import Design
from susx.labelling.label_result import AUDIT
from susx.store.disk import whole_folder

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["answers_of", "audit_answers", "draw_anew", "latest_audit", "take_answers", "write_questions"]

_FOLDER = "audits"
NONE_OF_THESE = "none of these"


def audit_answers(result: Path) -> AnswerFile:
    """Return the file of an audit's answers."""
    return AnswerFile(result / AUDIT)


def answers_of(result: Path) -> dict[str, Answer]:
    """Return the word that counts for each image of all audits."""
    return last_words(audit_answers(result).read())


def latest_audit(result: Path) -> Audit | None:
    """Return the last audit of a labelled folder; None where there is none.

    Raises:
        InputError: its files are damaged.
    """
    numbers = _numbers(result)
    return _read(result / _FOLDER / str(numbers[-1]), numbers[-1]) if numbers else None


def draw_anew(
    result: Path, frame: pd.DataFrame, n: int, *, error: float | None, share: float | None, level: float
) -> Audit:
    """Draw the next audit of a labelled folder and keep it.

    Raises:
        InputError: as ``draw_audit``.
        StoreError: it cannot be written.
    """
    try:
        (result / _FOLDER).mkdir(exist_ok=True)
        with FileLock(result / _FOLDER / ".lock"):
            number = (_numbers(result) or [0])[-1] + 1
            audit = draw_audit(frame, n, error=error, share=share, level=level, number=number, made=now())
            facts = {
                item.name: getattr(audit, item.name)
                for item in dataclasses.fields(audit)
                if item.name not in ("labels", "design", "number")
            }
            with whole_folder(result / _FOLDER / str(number)) as folder:
                text = json.dumps({**facts, "design": dataclasses.asdict(audit.design)}, indent=1)
                (folder / "audit.json").write_text(text + "\n", encoding="utf-8")
                audit.labels.to_csv(
                    folder / "labels.csv", index=False, lineterminator="\n", errors="surrogateescape"
                )
    except OSError as error_:
        raise StoreError(
            f"The audit cannot be kept in {result / _FOLDER}: {error_}. Nothing was drawn."
        ) from error_
    return audit


def take_answers(
    result: Path, audit: Audit, source: Path, classes: Iterable[str], who: str
) -> tuple[int, tuple[str, ...]]:
    """Take answers from a CSV of ``label`` and ``path`` or ``digest``: how many were new, and images that the audit did not ask about.

    An empty label is no answer yet; "none of these" says that it is none of the classes.

    Raises:
        InputError: the file is missing or no such CSV.
        StoreError: the answers cannot be written.
    """
    if not source.is_file():
        raise InputError(f"There are no answers at {source}: give a CSV of path and label.")
    digests = dict(zip(audit.questions["path"], audit.questions["digest"], strict=True))
    paths = {digest: path for path, digest in digests.items()}
    classes_known, before = set(classes), answers_of(result)
    new, strangers, at = [], [], now()
    for answer in AnswerFile(source).read():
        digest = answer.digest or digests.get(answer.path, "")
        if digest not in paths:
            strangers.append(answer.path or answer.digest)
        elif answer.label:
            label = (
                "" if answer.label == NONE_OF_THESE and NONE_OF_THESE not in classes_known else answer.label
            )
            earlier = before.get(digest)
            if earlier is None or earlier.label != label:
                new.append(Answer(at, paths[digest], digest, label, answer.who or who))
    audit_answers(result).append(new)
    return len(new), tuple(strangers)


def write_questions(audit: Audit, answers: Mapping[str, Answer], path: Path) -> None:
    """Write what is not answered yet as a CSV to fill in: ``path``, ``digest``, ``labelled_as`` and an empty ``label``."""
    with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["path", "digest", "labelled_as", "label"])
        for row in audit.questions.itertuples():
            if row.digest not in answers:
                rows.writerow([row.path, row.digest, row.label, ""])


def _numbers(result: Path) -> list[int]:
    folder = result / _FOLDER
    return (
        sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())
        if folder.is_dir()
        else []
    )


def _read(folder: Path, number: int) -> Audit:
    import pandas as pd

    try:
        facts = json.loads((folder / "audit.json").read_bytes())
        design = Design(**{name: tuple(values) for name, values in facts.pop("design").items()})
        text = {"path": str, "digest": str, "label": str}
        with open(folder / "labels.csv", encoding="utf-8", errors="surrogateescape", newline="") as file:
            labels = pd.read_csv(file, dtype=text, keep_default_na=False)
        audit = Audit(number=number, design=design, labels=labels, **facts)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"The audit in {folder} is damaged ({error}). Move that folder away and draw another."
        ) from error
    if len(labels) != sum(design.sizes) or int((labels["asked"] > 0).sum()) != sum(design.drawn):
        raise InputError(
            f"The audit in {folder} is damaged: labels.csv is not what was drawn. Move that folder away and draw another."
        )
    return audit
