"""One thread that owns the encoder and classifies whatever is waiting as one batch.

It never waits for a batch to fill: alone, an image is classified at once; under load, batches grow by themselves.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from susx.classifier.predictions import Answering, Prediction
from susx.classifier.service_limits import Busy

__all__ = ["InferenceWorker"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Job:
    image: Any
    name: str
    top_k: int
    explain: int
    answer: Future[Prediction]


class InferenceWorker:
    """Classifies pictures given by many threads, each call getting the answer to its own picture.

    Args:
        classifier: used by this worker's thread alone.
        max_batch: most pictures classified at once.
        max_waiting: more than this many waiting pictures are refused with :class:`Busy`.
        on_batch: called with the size of every batch, for metrics.
    """

    def __init__(
        self,
        classifier: Answering,
        *,
        max_batch: int = 32,
        max_waiting: int = 512,
        on_batch: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._classifier = classifier
        self._max_batch = max_batch
        self._on_batch = on_batch
        self._jobs: queue.Queue[_Job | None] = queue.Queue(max_waiting)
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)

    def start(self) -> None:
        """Load the encoder, classify one blank picture so that the first request is not the slow one, and go.

        Raises:
            SusxError: the encoder cannot be loaded, or is not the classifier's.
        """
        self._classifier.load()
        blank = self._classifier.prepare(Image.new("RGB", (64, 64)))
        self._classifier.predict_features(["blank"], self._classifier.encode([blank]))
        self._thread.start()

    def stop(self) -> None:
        """Finish what waits, then end the thread."""
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether pictures will be answered."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Number of pictures in the queue."""
        return self._jobs.qsize()

    def submit(self, image: Any, name: str, top_k: int, explain: int) -> Future[Prediction]:
        """Hand in a picture or its encoder input; the future gives its prediction. Cancelling it before its batch begins saves the work.

        Raises:
            Busy: too many pictures wait.
        """
        answer: Future[Prediction] = Future()
        try:
            self._jobs.put_nowait(_Job(image, name, top_k, explain, answer))
        except queue.Full:
            raise Busy from None
        return answer

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            batch, last = [job], False
            while len(batch) < self._max_batch:
                try:
                    following = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    last = True
                    break
                batch.append(following)
            wanted = [job for job in batch if job.answer.set_running_or_notify_cancel()]
            if wanted:
                self._on_batch(len(wanted))
                self._answer(wanted)
            if last:
                return

    def _answer(self, jobs: Sequence[_Job]) -> None:
        try:
            features = self._classifier.encode([job.image for job in jobs])
            predictions = self._classifier.predict_features(
                [job.name for job in jobs], features, max(j.top_k for j in jobs), max(j.explain for j in jobs)
            )
        except Exception as error:
            if len(jobs) > 1:
                # One picture must not spoil the answers of the others.
                for job in jobs:
                    self._answer([job])
                return
            logger.exception("a picture could not be classified")
            jobs[0].answer.set_exception(error)
            return
        for job, prediction in zip(jobs, predictions, strict=True):
            job.answer.set_result(
                replace(
                    prediction,
                    classes=prediction.classes[: job.top_k],
                    neighbours=prediction.neighbours[: job.explain],
                )
            )
