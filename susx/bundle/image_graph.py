"""The image tower as it runs on a CPU: many pictures side by side, a thread each; one picture alone with all threads.

Threads of one run wait for each other after every operator, so a thread that a decoder keeps off its core holds up all of them. Runs
side by side wait for nothing. In 8 bits with scales that are found on the way every picture is a run of its own: a run has one scale for
all that is in it, and a picture's answer must not depend on what else is asked with it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np

__all__ = ["ImageGraph"]

_ENOUGH = 8
"""Pictures of one run on a CPU. Of ViT-B/32 in single precision eight take 0.8 of the processor time that they take one by one; thirty-two
take more again, as less of them stays in the cache."""

_WORTH = 3
"""Threads from which a lone picture of a service is worth a session of all threads: it packs the weights once more (350 MB of ViT-B/32)."""


class ImageGraph:
    """Runs an image tower; many threads may use it.

    Args:
        open_session: threads of one run -> a session; 0 leaves the number to onnxruntime.
        threads: runs side by side; 0 where the device is no CPU and takes whole batches.
        alone: each picture is a run of its own.
        few: for a picture or two: all threads work at one.

    Raises:
        SusxError: what ``open_session`` raises.
    """

    def __init__(
        self, open_session: Callable[[int], Any], *, threads: int, alone: bool = False, few: bool = False
    ) -> None:
        self._open_session, self._threads, self._alone, self._few = open_session, threads, alone, few
        self._sessions: dict[int, Any] = {}
        self._opening = threading.Lock()
        self.session = self._session(self._threads_of_a_run(few))
        """One that is open, for what it takes and gives."""

    def run(
        self, outputs: Sequence[str], pixels: Iterable[np.ndarray], batch_size: int
    ) -> Iterator[list[np.ndarray]]:
        """Yield the outputs of one run after the other, rows in the order of the pictures.

        Args:
            outputs: names.
            pixels: of each picture; all threads work at one where a sequence holds fewer pictures than there are threads, of which two are
                too few for that.
            batch_size: pictures at once, in all runs together.
        """
        few = self._few or (
            self._threads >= _WORTH and isinstance(pixels, Sequence) and len(pixels) < self._threads
        )
        session = self._session(self._threads_of_a_run(few))
        at_once = 1 if few else max(1, min(self._threads, batch_size))
        most = batch_size // at_once if self._threads == 0 else min(_ENOUGH, batch_size // at_once)

        def one_run(rows: list[np.ndarray]) -> list[np.ndarray]:
            return list(session.run(list(outputs), {"pixels": np.stack(rows)}))

        runs = _cut(pixels, 1 if self._alone else most)
        if at_once == 1:
            yield from map(one_run, runs)
            return
        with ThreadPoolExecutor(at_once, thread_name_prefix="tower") as pool:
            waiting: deque[Future[list[np.ndarray]]] = deque()
            for rows in runs:
                waiting.append(pool.submit(one_run, rows))
                if len(waiting) > at_once:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _threads_of_a_run(self, few: bool) -> int:
        return self._threads if few or self._threads == 0 else 1

    def _session(self, threads_of_a_run: int) -> Any:
        with self._opening:
            if threads_of_a_run not in self._sessions:
                self._sessions[threads_of_a_run] = self._open_session(threads_of_a_run)
            return self._sessions[threads_of_a_run]


def _cut(pixels: Iterable[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    stream = iter(pixels)
    while rows := list(islice(stream, size)):
        yield rows
