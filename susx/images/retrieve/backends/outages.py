"""What is wrong with a kNN service, told from what it answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

__all__ = ["ServiceFault", "check_answer", "fault_of"]

PUBLIC_SERVICE = "knn.laion.ai"

KNOWN_OUTAGE = (
    " LAION's public service (knn.laion.ai) has been down since late 2023; use another service, or build an index of "
    "your own with 'susx index build' and set retrieval.backend=index, or give a list of links "
    "(retrieval.backend=urls)."
)


@dataclass
class ServiceFault(Exception):
    """One failed query.

    Attributes:
        diagnosis: what is wrong and what to do.
        transient: whether another attempt may mend it (429, 5xx, timeouts, dropped connections).
        wait: seconds that the service asked to wait, or 0.
    """

    diagnosis: str
    transient: bool = False
    wait: float = 0.0

    def __str__(self) -> str:
        return self.diagnosis


def fault_of(error: requests.RequestException, url: str, timeout: float) -> ServiceFault:
    """Diagnose an exception of requests."""
    end = KNOWN_OUTAGE if PUBLIC_SERVICE in url else ""
    text = str(error)
    if isinstance(error, requests.Timeout):
        return ServiceFault(
            f"The kNN service {url} did not answer within {timeout:g} s. It may be loading its index or be overloaded; "
            f"raise retrieval.timeout or lower retrieval.rate_limit.{end}",
            transient=True,
        )
    if isinstance(error, requests.ConnectionError):
        if "name" in text.lower() and "resol" in text.lower():
            return ServiceFault(
                f"The host of the kNN service {url} does not resolve; check retrieval.url and the network.{end}"
            )
        if "refused" in text.lower():
            return ServiceFault(
                f"Nothing listens at {url}. Start a service ('susx index serve') or correct retrieval.url.{end}",
                transient=True,
            )
        return ServiceFault(
            f"The connection to the kNN service {url} broke: {text[:200]}.{end}", transient=True
        )
    return ServiceFault(f"The kNN service cannot be asked at {url}: {text[:200]}.{end}")


def check_answer(status: int, headers: Mapping[str, str], body: bytes, url: str) -> list[dict[str, Any]]:
    """Return the results of an answer.

    Raises:
        ServiceFault: it is anything else than a list of results.
    """
    end = KNOWN_OUTAGE if PUBLIC_SERVICE in url else ""
    start = body[:200].decode("utf-8", errors="replace").strip().replace("\n", " ")[:120]
    markup = start[:1] == "<"
    if status == 429 or status >= 500:
        what = "asks for fewer requests" if status == 429 else "is failing"
        hint = (
            " An error 500 of clip-retrieval often means that the index has another name (retrieval.index_name) or "
            "that the query's width is not the index's (another encoder)."
            if status == 500
            else ""
        )
        page = " with a web page" if markup else ""
        raise ServiceFault(
            f"The kNN service {url} {what}: HTTP {status}{page}.{hint}{end}",
            transient=True,
            wait=_wait(headers),
        )
    if status != 200:
        raise ServiceFault(
            f"The kNN service {url} answered HTTP {status}. Give the whole address of its query endpoint, which ends in "
            f"/knn-service.{end}"
        )
    if markup:
        raise ServiceFault(
            f"{url} answered with a web page, not with results: '{start}'. It is a website, a login page or a parked "
            f"domain; give the address that ends in /knn-service.{end}"
        )
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise ServiceFault(
            f"{url} answered with malformed JSON ({len(body)} bytes, beginning '{start}').{end}"
        ) from None
    if not isinstance(answer, list) or not all(
        isinstance(row, Mapping) and "similarity" in row for row in answer
    ):
        raise ServiceFault(
            f"{url} answered with JSON that is not a list of results with a similarity: '{start}'. Is it a "
            f"clip-retrieval service?{end}"
        )
    return [dict(row) for row in answer]


def _wait(headers: Mapping[str, str]) -> float:
    value = headers.get("Retry-After", "")
    return min(float(value), 60.0) if value.isdecimal() else 0.0
