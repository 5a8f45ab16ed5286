"""The labels of the rest follow the answers while the page is open: fitted again in a thread, shown when it is done."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Float64

from susx.errors import SusxError
from susx.labelling.answers_file import AnswerFile
from susx.labelling.corrected import corrected_labels, has_all
from susx.labelling.label_result import LabelResult
from susx.types import Json

__all__ = ["EVERY", "Fit", "Refitter"]

logger = logging.getLogger(__name__)

EVERY = 20
"""Answers after which the labels are fitted again without being asked to."""


@dataclass(frozen=True)
class Fit:
    """The labels as one fit has them, in the order of the table.

    Attributes:
        answers: lines of answers that it has seen.
        labels, seconds: first and second label; "" for none.
        sure, margins, outside: probability, its distance to the second, score of none of these.
        answered_before: whether a person had said the label before the review began, and did not take it back.
    """

    answers: int
    labels: list[str]
    seconds: list[str]
    sure: Float64[np.ndarray, " query"]
    margins: Float64[np.ndarray, " query"]
    outside: Float64[np.ndarray, " query"]
    answered_before: Bool[np.ndarray, " query"]

    @classmethod
    def of_table(cls, frame: pd.DataFrame) -> Fit:
        """Return the labels of a table."""
        return cls(
            0, frame["label"].tolist(), frame["second"].tolist(), frame["probability"].to_numpy(), frame["margin"].to_numpy(),
            frame["none_of_these"].to_numpy(), frame["by_person"].to_numpy(),
        )  # fmt: skip

    def renewed(self, frame: pd.DataFrame, answers: int) -> Fit:
        """Return the labels of another fit of the same images.

        An image with an answer keeps what a fit said of it: the page shows the answer, and how often answers confirmed labels must not
        be counted on labels that are these answers.
        """
        by_person = frame["by_person"].to_numpy()
        before = self.answered_before & by_person
        new, kept = Fit.of_table(frame), by_person & ~before
        return Fit(
            answers,
            [a if keep else b for a, b, keep in zip(self.labels, new.labels, kept, strict=True)],
            [a if keep else b for a, b, keep in zip(self.seconds, new.seconds, kept, strict=True)],
            np.where(kept, self.sure, new.sure), np.where(kept, self.margins, new.margins),
            np.where(kept, self.outside, new.outside), before,
        )  # fmt: skip


class Refitter:
    """Fits the labels again in a thread, one fit at a time, each from all answers so far.

    Attributes:
        fit: the latest labels.
        ended: fits that ended, well or not.
    """

    def __init__(
        self,
        result: LabelResult,
        log: AnswerFile,
        features: Callable[[], Float32[np.ndarray, "query dim"]],
    ) -> None:
        """Begin with the labels of the table.

        Args:
            result: the labels.
            log: what people said of them.
            features: unit rows of the images, read when a fit begins.
        """
        self.fit, self.ended = Fit.of_table(result.frame), 0
        self._result, self._log, self._features = result, log, features
        self._lock = threading.Lock()
        self._running = False
        self._trouble = (
            "" if result.record.store else "The result names no store with the features of its images."
        )

    @property
    def waiting(self) -> int:
        """Answers that the labels do not follow yet."""
        return len(self._log.read()) - self.fit.answers

    def state(self) -> Json:
        """Return what the page says of it."""
        return {
            "answers": self.fit.answers, "waiting": self.waiting, "running": self._running, "trouble": self._trouble, "every": EVERY,
            "possible": bool(self._result.record.store),
        }  # fmt: skip

    def after_answers(self) -> None:
        """Begin a fit where enough answers wait for one."""
        if self.waiting >= EVERY and not self._trouble:
            self.begin()

    def begin(self) -> bool:
        """Begin a fit; False where one is running, nothing was said since the last one, or nothing can be fitted."""
        with self._lock:
            if self._running or not self.waiting or not self._result.record.store:
                return False
            self._running = True
        threading.Thread(target=self.run, name="refit", daemon=True).start()
        return True

    def run(self) -> None:
        """Fit once, from the answers as they are now."""
        try:
            lines = self._log.read()
            corrected = corrected_labels(self._result, lines)
            if not self.fit.answers and has_all(self._result, corrected):
                self.fit = dataclasses.replace(self.fit, answers=len(lines))
                return
            if self._result.model is None:
                self._result = dataclasses.replace(self._result, model=self._result.class_model())
            frame = self._result.relabel(corrected, self._features()).frame
            self.fit, self._trouble = self.fit.renewed(frame, len(lines)), ""
        except SusxError as error:
            self._trouble = str(error)
        except Exception as error:  # a thread that dies says nothing, and the page would wait for it
            logger.exception("the labels could not be fitted again")
            self._trouble = f"The labels could not be fitted again ({type(error).__name__}: {error})."
        finally:
            self.ended += 1
            with self._lock:
                self._running = False
