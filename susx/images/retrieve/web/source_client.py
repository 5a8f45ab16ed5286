"""Asking one public source: politely, once, and not at all once it is down.

* Every question has one answer, kept beside the downloads (:class:`~susx.images.retrieve.web.remembered_answers.Answers`).
* The source's limits are kept over all processes and runs (:class:`~susx.images.retrieve.web.quota.Quota`). A wait of up to ``patience``
  seconds is waited; a longer one ends the search, with what there is kept, and says when to go on.
* A source that does not answer is tried three times within ``timeout`` seconds, by one caller while the others wait; for the rest
  of the build every question to it fails at once with the same words, in other processes too.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from susx.errors import LimitReached, RetrievalError, SourceDown
from susx.images.retrieve.backends.clip_client import read_answer
from susx.images.retrieve.backends.outages import ServiceFault
from susx.images.retrieve.web.contact import user_agent
from susx.images.retrieve.web.faults import Fault, fault_of, read_json
from susx.images.retrieve.web.quota import Limit, Quota
from susx.images.retrieve.web.reach import answers
from susx.images.retrieve.web.remembered_answers import Answers
from susx.store.user_cache import user_cache

__all__ = ["TRIES", "WebClient"]

TRIES = 3
_LARGEST = 32 << 20
"""Bytes of one page of results."""
_PAUSE = 0.3
"""Seconds before the second try, doubled before the third."""
_UNSAID = 60.0
"""Seconds to wait after a 429 that names no time."""


class WebClient:
    """A source's API.

    Attributes:
        asked: requests that went out through this client.
    """

    def __init__(
        self, source: str, base: str, limits: Sequence[Limit], *, work: Path | None, build: str = "", timeout: float = 10.0,
        patience: float = 90.0, key: Callable[[], str | None] = lambda: None, registered: bool = False,
    ) -> None:  # fmt: skip
        """Name a source; nothing is sent yet.

        Args:
            source: its name, for people and files.
            base: address that paths are relative to, ending in ``/``.
            limits: that it asks to keep.
            work: folder that outlives the run, for the answers; None keeps them in memory.
            build: tells a build from others; what is down is not asked again in it.
            timeout: seconds for the three tries of one question together.
            patience: longest wait for a limit, in seconds.
            key: returns the value of the header ``Authorization``, None for none. It is asked when a request goes out and kept nowhere.
            registered: whether the limits are those of a key.
        """
        self.source, self.base = source, base
        self.timeout, self.patience, self.build = timeout, patience, build
        self.asked = 0
        self._key = key
        host = urlsplit(base).netloc.replace(":", "-")
        self.quota = Quota(
            user_cache() / "sources" / f"{source}-{host}-{'registered' if registered else 'anonymous'}.json",
            limits,
        )
        self._folder = None if work is None else work / "answers" / f"{source}-{host}"
        self.answers = Answers(self._folder)
        self._first = threading.Lock()
        self._answered = False
        self._down = ""
        self._idle: list[requests.Session] = []
        self._asking: dict[tuple[object, ...], threading.Lock] = {}
        self._asking_lock = threading.Lock()

    def get(
        self, path: str, parameters: Mapping[str, str], check: Callable[[Any], str] = lambda answer: "", *,
        missing: Any = None, again: bool = False,
    ) -> Any:  # fmt: skip
        """Return the answer to a question, kept or asked.

        Args:
            path: relative to the base.
            parameters: of the query.
            missing: the answer to a question that it does not take (a page past its last one); None refuses that.
            again: whether an answer that is kept does not count: what it names has expired.
            check: returns what an answer lacks of the documented form; "" where it is right.

        Raises:
            SourceDown: it does not answer, or not in the documented form; for the rest of the build it is not asked again.
            LimitReached: it takes no more requests for longer than ``patience``.
            RetrievalError: it does not take this question.
        """
        address = self.base + path
        with self._question(address, parameters):
            kept = self.answers.get(address, parameters)
            if kept is not None and not again and not check(kept):
                return kept
            with self._turn():
                self._refuse_if_down()
                try:
                    answer = self._asked(address, parameters, check)
                except _NotTaken as problem:
                    if missing is None:
                        raise RetrievalError(str(problem)) from problem
                    answer = missing
                self._answered = True
            self.answers.put(address, parameters, answer)
            return answer

    @contextlib.contextmanager
    def _question(self, address: str, parameters: Mapping[str, str]) -> Iterator[None]:
        """Let one of several threads ask a question; the others find its answer."""
        key = (address, *sorted(parameters.items()))
        with self._asking_lock:
            lock = self._asking.setdefault(key, threading.Lock())
        with lock:
            yield

    def reach(self) -> str:
        """Return "" where anything answers at the base, else what is wrong; it is no question that counts."""
        return answers(self.base)

    def left(self) -> str:
        """Return how many requests the longest limit has left, "" without one."""
        left = sorted(self.quota.left(), key=lambda pair: -pair[0].seconds)
        return f"{left[0][1]:,} of {left[0][0].requests:,} in {_span(left[0][0].seconds)}" if left else ""

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Let one caller, over all processes of a build, find out whether the source answers; then all."""
        if self._answered or self._note("up").is_set():
            yield
            return
        from filelock import FileLock

        with contextlib.ExitStack() as held:
            held.enter_context(self._first)
            if self._folder:
                held.enter_context(FileLock(self._gate()))
            if answered := self._answered or self._note("up").is_set():
                held.close()  # Who waited here while the first found out asks beside the others, not one after another.
            yield
            if self._answered and not answered:
                self._note("up").set()

    def _gate(self) -> Path:
        assert self._folder is not None
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / "first.lock"

    def _note(self, name: str) -> _Note:
        return _Note(self._folder / f"{name}.json" if self._folder and self.build else None, self.build)

    def _refuse_if_down(self) -> None:
        if reason := self._down or self._note("down").text():
            raise SourceDown(reason)

    def _asked(self, address: str, parameters: Mapping[str, str], check: Callable[[Any], str]) -> Any:
        end = time.monotonic() + self.timeout
        fault = Fault("was not asked")
        tries = waits = 0
        while tries < TRIES:
            before = time.monotonic()
            self._wait_for_quota()
            end += time.monotonic() - before  # waiting for a limit is no fault of the source
            try:
                return self._once(
                    address, parameters, check, max(0.2, (end - time.monotonic()) / (TRIES - tries))
                )
            except Fault as problem:
                fault = problem
            if fault.limited:
                waits += 1
                self._too_many(_UNSAID if fault.wait is None else fault.wait, waits)
                continue
            if fault.refused:
                raise _NotTaken(f"{self.source} ({self.base}) {fault.diagnosis}.")
            tries += 1
            if not fault.transient:
                break
            if tries < TRIES:
                time.sleep(min(_PAUSE * 2 ** (tries - 1), max(0.0, end - time.monotonic())))
        times = "once" if tries == 1 else f"{tries} times"
        sentence = (
            f"{self.source} ({self.base}) {fault.diagnosis}; asked {times}, and not again in this build. What was found is kept: run the same "
            "command again later, or name another source."
        )
        self._down = sentence
        self._note("down").set(sentence)
        raise SourceDown(sentence)

    def _once(
        self, address: str, parameters: Mapping[str, str], check: Callable[[Any], str], timeout: float
    ) -> Any:
        key = self._key()
        headers = {"User-Agent": user_agent(), "Accept": "application/json"}
        if key:
            headers["Authorization"] = key
        self.asked += 1
        try:
            end = time.monotonic() + timeout
            with (
                self._connections() as session,
                session.get(
                    address, params=dict(parameters), headers=headers, timeout=timeout, stream=True, allow_redirects=False
                ) as response,
            ):  # fmt: skip
                body = read_answer(response, end, _LARGEST)
        except requests.RequestException as error:
            raise fault_of(error, timeout) from None  # the text of requests' own may hold what was sent
        except ServiceFault as error:
            raise Fault("sent more than a page of results can hold") from error
        answer = read_json(response.status_code, response.headers, body, bool(key))
        if lacking := check(answer):
            raise Fault(f"answered in a form that it does not document: {lacking}")
        return answer

    @contextlib.contextmanager
    def _connections(self) -> Iterator[requests.Session]:
        """Lend connections that are open to one thread at a time: a session is not safe in several."""
        try:
            session = self._idle.pop()
        except IndexError:
            session = requests.Session()
            session.auth = _as_it_is  # else requests looks for a password in .netrc
        try:
            yield session
        except BaseException:
            session.close()  # one that failed is not used again
            raise
        self._idle.append(session)

    def _wait_for_quota(self) -> None:
        while (wait := self.quota.take()) > 0:
            if wait > self.patience:
                raise LimitReached(self._limit_text(wait))
            time.sleep(wait)

    def _too_many(self, wait: float, waits: int) -> None:
        self.quota.hold(wait)
        if wait > self.patience or waits > TRIES:
            raise LimitReached(self._limit_text(wait))

    def _limit_text(self, wait: float) -> str:
        moment = datetime.datetime.now().astimezone() + datetime.timedelta(seconds=wait)
        kept = " and ".join(f"{limit.requests} in {_span(limit.seconds)}" for limit in self.quota.limits)
        return (
            f"{self.source} ({self.base}) takes no more requests before {moment:%Y-%m-%d %H:%M:%S %Z}"
            f"{f' (its limits: {kept})' if kept else ''}. What was found is kept, and no question is asked twice: run the same command again then."
        )


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _span(seconds: float) -> str:
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            return f"a {word}" if seconds == size else f"{seconds / size:g} {word}s"
    return f"{seconds:g} s"


class _NotTaken(RetrievalError):
    """This one question is not taken; others may be."""


class _Note:
    """A file by which the processes of one build tell each other of a source."""

    def __init__(self, path: Path | None, build: str) -> None:
        self.path, self.build = path, build

    def text(self) -> str:
        """Return what it says in this build."""
        if self.path is None:
            return ""
        try:
            note = json.loads(self.path.read_text(encoding="utf-8"))
            return str(note["text"]) if note["build"] == self.build else ""
        except (OSError, ValueError, TypeError, KeyError):
            return ""

    def is_set(self) -> bool:
        """Whether it says anything in this build."""
        return bool(self.text())

    def set(self, text: str = "yes") -> None:
        """Say it."""
        if self.path is not None:
            from susx.store.disk import write_atomically

            write_atomically(self.path, json.dumps({"build": self.build, "text": text}).encode())
