"""A review while it runs: what is labelled how, what was said of it, and in which order it is shown. No HTTP, no pictures.

Near-duplicates are one tile, and what is said of it is said of each of them; an audit asks about single images. All that people say goes
through ``AnswerFile``: it is on the disk before it counts here, and what other tabs and processes write is seen at the next look.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from susx.errors import InputError, SusxError
from susx.labelling.answers_file import Answer, AnswerFile, last_words, now
from susx.labelling.audit import Audit, promise
from susx.labelling.audit_files import audit_answers, latest_audit
from susx.labelling.corrections import CORRECTIONS, Corrections
from susx.labelling.label_result import LabelResult
from susx.labelling.review.accuracy_so_far import accuracy_of
from susx.labelling.review.order import ORDERS, View, ordered
from susx.labelling.review.refit import Fit, Refitter
from susx.types import Digest, Json

__all__ = ["Named", "ReviewSession"]

_LONGEST_LABEL = 200


@dataclass(frozen=True)
class Named:
    """What is said of one image: its row in the table of labels, and its label ("" for none of these)."""

    row: int
    label: str


class ReviewSession:
    """One labelled folder under review.

    Args:
        result: the labels; ``result.folder`` is where answers go.
    """

    def __init__(self, result: LabelResult) -> None:
        assert result.folder is not None
        self.result = result
        self.folder: Path = result.folder
        frame = result.frame
        self.paths, self.digests = frame["path"].tolist(), frame["digest"].tolist()
        self._groups = frame["group"].tolist()
        self._members: dict[int, list[int]] = {}
        for row, group in enumerate(self._groups):
            self._members.setdefault(group, []).append(row)
        self._rows: dict[str, list[int]] = {}
        for row, digest in enumerate(self.digests):
            self._rows.setdefault(digest, []).append(row)
        self._by_path = {path: digest for path, digest in zip(self.paths, self.digests, strict=True)}
        self._corrections, self._audit_answers = (
            AnswerFile(self.folder / CORRECTIONS),
            audit_answers(self.folder),
        )
        self._audit: tuple[object, Audit | None] = (None, None)
        self._features: Float32[np.ndarray, "query dim"] | None = None
        self._lock = threading.Lock()
        self.refitter = Refitter(result, self._corrections, self.features)

    @property
    def fit(self) -> Fit:
        """The labels as they follow from the answers so far."""
        return self.refitter.fit

    @property
    def tiles(self) -> list[int]:
        """The first row of each group of near-duplicates."""
        return [rows[0] for rows in self._members.values()]

    def features(self) -> Float32[np.ndarray, "query dim"]:
        """Return the unit rows of the images, read once.

        Raises:
            StoreError: the store does not hold them all.
        """
        if self._features is None:
            self._features = self.result.features()
        return self._features

    def warm(self) -> None:
        """Fit what was said since the table was written, and have in memory what the first "ask me next" would wait for."""
        self.refitter.begin()
        with contextlib.suppress(SusxError):
            self.view("next")

    @property
    def version(self) -> str:
        """Changes with every answer, whoever gave it, and with every fit."""
        return f"{len(self._corrections.read())}.{len(self._audit_answers.read())}.{self.refitter.ended}"

    def audit(self) -> Audit | None:
        """Return the latest audit of the folder, drawn before or while the page is open."""
        audits = self.folder / "audits"
        mark = audits.stat().st_mtime_ns if audits.is_dir() else None
        if mark != self._audit[0]:
            self._audit = (mark, latest_audit(self.folder))
        return self._audit[1]

    def file_of(self, row: int) -> tuple[str, Digest]:
        """Return path and digest of an image.

        Raises:
            InputError: a row that the table does not have.
        """
        return self.paths[self._checked(row)], self.digests[row]

    def view(self, view: View, name: str = "", order: str = "doubt") -> list[int]:
        """Return the rows of a view in its order: tiles, or an audit's questions.

        Raises:
            InputError: no such order, or no audit was drawn.
        """
        if order not in ORDERS:
            raise InputError(f"An order is one of {', '.join(ORDERS)}, found {order!r}.")
        if view == "audit":
            audit = self.audit()
            if audit is None:
                raise InputError(f"No audit is drawn: susx label audit {self.folder} --n 100")
            return [self._rows[digest][0] for digest in audit.questions["digest"] if digest in self._rows]
        return ordered(self, view, name, order)

    def answers(self) -> dict[int, Answer]:
        """Return row -> the word that counts, of corrections."""
        return self._per_row(self._corrections)

    def current(self, row: int, latest: Mapping[int, Answer]) -> str:
        """Return the label of an image: what was said of it, else what the table says."""
        answer = latest.get(row)
        return self.fit.labels[row] if answer is None else answer.label

    def describe(self, rows: Sequence[int], *, audit: bool = False) -> list[Json]:
        """Return what the page shows of some rows.

        Raises:
            InputError: a row that the table does not have.
        """
        latest = self._per_row(self._audit_answers if audit else self._corrections)
        drawn = self._drawn() if audit else {}
        return [self._tile(self._checked(row), latest.get(row), drawn) for row in rows]

    def answer(self, named: Sequence[Named], who: str, *, audit: bool = False) -> list[int]:
        """Put answers on the disk and return the rows that changed.

        Raises:
            InputError: a row that the table or the audit does not have, or a label that is none.
            StoreError: they cannot be written; nothing counts then.
        """
        at, lines, changed = now(), [], []
        asked = self._drawn()
        for one in named:
            label = " ".join(one.label.split())
            if len(label) > _LONGEST_LABEL:
                raise InputError(f"A label has at most {_LONGEST_LABEL} characters, found {len(label)}.")
            if audit and self.digests[self._checked(one.row)] not in asked:
                raise InputError(f"The audit does not ask about {self.paths[one.row]}.")
            rows = [one.row] if audit else self._members[self._groups[self._checked(one.row)]]
            changed += rows
            for digest in dict.fromkeys(self.digests[row] for row in rows):
                lines.append(Answer(at, self.paths[self._rows[digest][0]], digest, label, who))
        with self._lock:
            (self._audit_answers if audit else self._corrections).append(lines)
        if not audit:
            self.refitter.after_answers()
        return self._shown(changed, audit)

    def undo(self, who: str, *, audit: bool = False) -> list[int]:
        """Take back what this person said last and did not take back yet, all that was said at once; return the rows that changed.

        Raises:
            StoreError: it cannot be written.
        """
        log = self._audit_answers if audit else self._corrections
        with self._lock:
            standing = [word for word in last_words(log.read()).values() if word.who == who]
            if not standing:
                return []
            last = max(word.time for word in standing)
            undone = [word for word in standing if word.time == last]
            at = now()
            log.append([Answer(at, word.path, word.digest, "", who, "undo") for word in undone])
        return self._shown([row for word in undone for row in self._rows_of(word)], audit)

    def changed_since(self, version: str) -> tuple[list[int], list[int], bool]:
        """Return the rows of which something was said since a version, by corrections and by audit, and whether a fit ended since.

        Raises:
            InputError: no version.
        """
        try:
            corrections, audit, ended = (int(part) for part in version.split("."))
        except ValueError:
            raise InputError(f"A version is three numbers, found {version!r}.") from None
        rows = [row for word in self._corrections.read()[corrections:] for row in self._rows_of(word)]
        asked = [row for word in self._audit_answers.read()[audit:] for row in self._rows_of(word)]
        return self._shown(rows, False), self._shown(asked, True), ended != self.refitter.ended

    def summary(self) -> Json:
        """Return counts, classes, accuracy so far and the state of the audit."""
        latest, fit = self.answers(), self.fit
        counts, answered = Counter[str](), Counter[str]()
        for tile in self.tiles:
            label = self.current(tile, latest)
            counts[label] += 1
            answered[label] += tile in latest or bool(fit.answered_before[tile])
        corrections = Corrections(last_words(self._corrections.read()))
        classes = dict.fromkeys(
            [*self.result.classes, *corrections.new_classes(self.result.classes), *sorted(counts)]
        )
        audit = self.audit()
        state: Json = None
        if audit is not None:
            made = promise(audit, last_words(self._audit_answers.read()))
            state = {
                "number": audit.number, "asked": made.asked, "answered": made.answered, "wrong": made.wrong, "of": len(audit.labels),
                "everything": len(audit.labels) + audit.left_out == len(self.paths),
            }  # fmt: skip
        return {
            "version": self.version,
            "images": len(self.paths),
            "tiles": len(self._members),
            "answered": sum(answered.values()),
            "classes": [
                {"name": name, "count": counts[name], "answered": answered[name]} for name in classes if name
            ],
            "none": counts[""],
            "accuracy": accuracy_of(self, latest, state),
            "audit": state,
            "fit": self.refitter.state(),
            "strangers": len(corrections.unknown(self._by_path)),
        }

    def _tile(self, row: int, answer: Answer | None, drawn: Mapping[str, str]) -> Json:
        digest, fit = self.digests[row], self.fit
        return {
            "id": row,
            "path": str(self.paths[row]).encode(errors="backslashreplace").decode(),
            "digest": digest[:16],
            "label": drawn.get(digest, fit.labels[row]),
            "second": fit.seconds[row],
            "probability": round(float(fit.sure[row]), 4),
            "outside": round(float(fit.outside[row]), 4),
            "alike": 1 if drawn else len(self._members[self._groups[row]]),
            "answer": None if answer is None else answer.label,
            "who": "" if answer is None else answer.who,
            "before": bool(fit.answered_before[row]) and not drawn,
        }

    def _drawn(self) -> dict[str, str]:
        audit = self.audit()
        return (
            {}
            if audit is None
            else dict(zip(audit.questions["digest"], audit.questions["label"], strict=True))
        )

    def _per_row(self, log: AnswerFile) -> dict[int, Answer]:
        last = last_words(log.read())
        rows = {row: word for word in last.values() if not word.digest for row in self._rows_of(word)}
        rows.update({row: word for word in last.values() if word.digest for row in self._rows_of(word)})
        return rows

    def _rows_of(self, word: Answer) -> list[int]:
        return self._rows.get(word.digest or self._by_path.get(word.path, ""), [])

    def _shown(self, rows: Sequence[int], audit: bool) -> list[int]:
        if audit:
            return list(dict.fromkeys(rows))
        return list(dict.fromkeys(self._members[self._groups[row]][0] for row in rows))

    def _checked(self, row: int) -> int:
        if not 0 <= row < len(self.paths):
            raise InputError(f"There are {len(self.paths)} images, found the number {row}.")
        return row
