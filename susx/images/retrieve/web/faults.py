"""What is wrong with the answer of a public source, and whether another try may mend it."""

from __future__ import annotations

import datetime
import email.utils
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

__all__ = ["Fault", "fault_of", "read_json", "retry_after"]


@dataclass
class Fault(Exception):
    """One request that came to nothing.

    Attributes:
        diagnosis: a sentence that goes on after the source's name.
        transient: whether another try may mend it.
        wait: seconds that the source asked to wait (429, 503); None where it did not.
        limited: whether it said that there were too many requests.
        refused: whether it is this one request that it does not take (400, 404); others may still be answered.
    """

    diagnosis: str
    transient: bool = False
    wait: float | None = None
    limited: bool = False
    refused: bool = False

    def __str__(self) -> str:
        return self.diagnosis


def fault_of(error: requests.RequestException, timeout: float) -> Fault:
    """Diagnose an exception of requests."""
    text = str(error)
    if isinstance(error, requests.Timeout):
        return Fault(f"did not answer within {timeout:.1f} s", transient=True)
    if re.search(r"name.*resol|getaddrinfo|nodename", text, re.IGNORECASE):
        return Fault(
            "cannot be found: its host's name does not resolve (no network, or no DNS)", transient=True
        )
    if "refused" in text.lower():
        return Fault("refuses the connection", transient=True)
    return Fault(f"broke the connection ({type(error).__name__})", transient=True)


def read_json(status: int, headers: Mapping[str, str], body: bytes, key: bool) -> Any:
    """Return the JSON of an answer.

    Args:
        status, headers, body: of the answer.
        key: whether the request carried a key.

    Raises:
        Fault: it is anything else.
    """
    wait = retry_after(headers.get("Retry-After", ""))
    if status == 429:
        return _raise(Fault("asks for fewer requests (HTTP 429)", wait=wait, limited=True))
    if status >= 500 or status == 408:
        return _raise(Fault(f"is failing (HTTP {status}{_detail(body)})", transient=True, wait=wait))
    if status in (401, 403):
        about = "does not accept the key" if key else "wants a key, or does not let this machine in"
        return _raise(Fault(f"{about} (HTTP {status}{_detail(body)})"))
    if 300 <= status < 400:
        return _raise(Fault(f"has moved (HTTP {status} to {headers.get('Location', 'nowhere')[:200]})"))
    if status != 200:
        return _raise(Fault(f"does not take the request (HTTP {status}{_detail(body)})", refused=True))
    start = _start(body)
    if start[:1] == "<":
        return _raise(Fault(f"answered with a web page, not with JSON: '{start}'", transient=True))
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return _raise(
            Fault(f"answered with malformed JSON ({len(body)} bytes, beginning '{start}')", transient=True)
        )


def retry_after(value: str, now: datetime.datetime | None = None) -> float | None:
    """Return the seconds of a ``Retry-After``, which is a number or a date; None where it is neither.

    >>> retry_after("120"), retry_after("soon")
    (120.0, None)
    """
    text = value.strip()
    if re.fullmatch(r"\d{1,9}(?:\.\d+)?", text):
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return max(0.0, (moment - (now or datetime.datetime.now(datetime.timezone.utc))).total_seconds())


def _raise(fault: Fault) -> Any:
    raise fault


def _start(body: bytes) -> str:
    return body[:200].decode("utf-8", errors="replace").strip().replace("\n", " ")[:100]


def _detail(body: bytes) -> str:
    """Return what an API says of an error in its usual field, "" where it says nothing of use."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    text = (
        answer.get("detail", answer.get("error", answer.get("message"))) if isinstance(answer, dict) else None
    )
    return f": {' '.join(str(text).split())[:200]}" if text else ""
