"""Why a link gave no image: the words of urllib and the operating system, sorted into counted reasons."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

__all__ = ["TRANSIENT", "fetch_reason", "probable_cause"]

TRANSIENT = frozenset(
    {"incomplete", "no-such-host", "rate-limited", "server-error", "timeout", "unreachable"}
)
"""Failures that another attempt may mend."""

_PATTERNS: tuple[tuple[str, str], ...] = (
    (r"refused address", "refused-address"),
    (r"refused scheme|unknown url type|no host given", "refused-scheme"),
    (r"x-robots-tag", "opted-out"),
    (r"malformed link|invalid url|can't contain control|nonnumeric port", "malformed-link"),
    (r"infinite loop|too many redirect", "redirect-loop"),
    (r"http error (404|410)", "dead-link"),
    (r"http error (401|402|403|407|451)", "forbidden"),
    (r"http error (408|429)", "rate-limited"),
    (r"http error 5\d\d", "server-error"),
    (r"http error", "dead-link"),
    (r"body too large", "too-large"),
    (r"incomplete", "incomplete"),
    (r"name or service|name resolution|nodename|getaddrinfo|no address associated", "no-such-host"),
    (r"timed out|timeout", "timeout"),
    (r"certificate|ssl|tls", "bad-certificate"),
    (r"refused|reset|unreachable|broken pipe|closed connection|no route", "unreachable"),
)

_CAUSES: Mapping[str, str] = {
    "no-such-host": "the hosts' names do not resolve: this machine has no network or no working DNS, or the list is "
    "of hosts that are gone",
    "unreachable": "the servers refuse or drop connections: a firewall or a missing proxy setting on this side",
    "timeout": "the servers do not answer in time: raise download.timeout or lower download.threads",
    "rate-limited": "the servers ask for fewer requests (429): lower download.threads and run again later",
    "forbidden": "the servers forbid the download (401, 403, 451)",
    "opted-out": "the owners opted out of such use (X-Robots-Tag); that is respected",
    "dead-link": "link rot: the images are gone (404, 410); use a fresher list or index",
    "server-error": "the servers are failing (5xx); run again later",
    "refused-address": "the links lead to private addresses, which are refused; if that is meant, allow them with "
    "--set download.allow_private=true",
    "not-an-image": "what the servers sent is no image",
    "malformed-link": "texts in the list are no links",
}


def fetch_reason(message: str) -> str:
    """Sort an error message into a reason.

    >>> fetch_reason("HTTP Error 404: Not Found")
    'dead-link'
    >>> fetch_reason("<urlopen error [Errno -2] Name or service not known>")
    'no-such-host'
    """
    lower = message.lower()
    return next((reason for pattern, reason in _PATTERNS if re.search(pattern, lower)), "failed")


def probable_cause(reasons: Counter[str], details: Mapping[str, str] | None = None) -> str:
    """Return a sentence on the most frequent reason, with all counts, and one of its messages from ``details`` (reason -> message)."""
    counts = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
    top = reasons.most_common(1)[0][0] if reasons else ""
    detail = (details or {}).get(top, "").rstrip(".")
    example = f" (for instance: {detail[:200]})" if detail else ""
    return f"Probable reason: {_CAUSES.get(top, top or 'unknown')}{example}. Counts: {counts}."
