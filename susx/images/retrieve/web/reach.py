"""Whether anything answers at an address."""

from __future__ import annotations

import threading
import time

import requests

from susx.images.retrieve.web.contact import user_agent
from susx.images.retrieve.web.faults import fault_of

__all__ = ["answers", "answers_in_three"]

_REMEMBERED = 120.0
"""Seconds for which an address that did not answer is not tried again: a build looks at its sources several times before it begins."""

_silent: dict[str, tuple[float, str]] = {}
_lock = threading.Lock()


def answers(address: str, timeout: float = 4.0) -> str:
    """Return "" where a server answers, whatever it says of this path, else what is wrong."""
    try:
        with requests.get(
            address, timeout=timeout, stream=True, allow_redirects=False, headers={"User-Agent": user_agent()}
        ) as response:
            return f"is failing (HTTP {response.status_code})" if response.status_code >= 500 else ""
    except requests.RequestException as error:
        return fault_of(error, timeout).diagnosis


def answers_in_three(address: str, timeout: float = 9.0) -> str:
    """Return "" where a server answers one of three tries, which take ``timeout`` seconds together at most; else what is wrong.

    For clients of others that try for minutes. Of an address that was silent a moment ago the same is said again without a try.
    """
    with _lock:
        moment, problem = _silent.get(address, (0.0, ""))
        if problem and time.monotonic() - moment < _REMEMBERED:
            return problem
        end = time.monotonic() + timeout
        for number in range(3):
            problem = answers(address, max(0.2, (end - time.monotonic()) / (3 - number)))
            if not problem:
                _silent.pop(address, None)
                return ""
            time.sleep(min(0.3, max(0.0, end - time.monotonic())) if number < 2 else 0.0)
        _silent[address] = (time.monotonic(), problem)
        return problem
