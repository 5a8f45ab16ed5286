"""Links as people write them into the one spelling that servers understand, as browsers do (WHATWG's URL standard, its common cases)."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit, urlunsplit

__all__ = ["MalformedLink", "spelled_for_servers"]

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]+")
"""Of IPv6."""
_RESERVED = "!$%&'()*+,;=:@/?~-._"
"""Not encoded again: reserved characters, and ``%`` of what is encoded already."""


class MalformedLink(ValueError):
    """A text that no browser would open."""


def spelled_for_servers(link: str) -> str:
    """Return a link in ASCII: blanks and letters are percent-encoded, host names go to punycode, fragments are dropped.

    ``&amp;``, which HTML leaves in tables of links, is ``&``; backslashes before the query are slashes; ``//host/x`` is https.

    >>> spelled_for_servers(" HTTP://Example.org/a photo/pe\\u00f1oles.jpg#top")
    'http://example.org/a%20photo/pe%C3%B1oles.jpg'

    Raises:
        MalformedLink: it has no scheme or no host, or no port number.
    """
    text = re.sub(r"[\t\n\r]", "", link.strip().strip("\x00\x1f")).replace("&amp;", "&")
    if _CONTROLS.search(text):
        raise MalformedLink("malformed link: it holds a control character")
    before, mark, query = text.partition("?")
    text = before.replace("\\", "/") + mark + query
    text = f"https:{text}" if text.startswith("//") else text
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise MalformedLink(f"malformed link: {error}") from error
    if not parts.scheme:
        raise MalformedLink("malformed link: it does not begin with http:// or https://")
    if parts.scheme not in {"http", "https"}:
        return text  # refused by its scheme, with that word
    if not host:
        raise MalformedLink("malformed link: it names no host")
    user, at, _ = parts.netloc.rpartition("@")
    location = (f"[{host}]" if _ADDRESS.fullmatch(host) and ":" in host else _ascii_host(host)) + (
        f":{port}" if port is not None else ""
    )
    return urlunsplit(
        (
            parts.scheme,
            quote(user, safe="%:!$&'()*+,;=~-._") + at + location,
            _encoded(parts.path) or "/",
            _encoded(parts.query),
            "",
        )
    )


def _encoded(text: str) -> str:
    # A percent sign that begins no code stands for itself.
    return re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", quote(text.encode("utf-8", "replace"), safe=_RESERVED))


def _ascii_host(host: str) -> str:
    try:
        name = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise MalformedLink(f"malformed link: the host '{host}' is no name of a server") from error
    if not _NAME.fullmatch(name):
        raise MalformedLink(f"malformed link: the host '{host}' is no name of a server")
    return name
