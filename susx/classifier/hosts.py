"""Whom a request may be addressed to: a page of somebody else's must not reach the service through a name of its own.

A browser sends a page's requests to whatever address the page's name leads to, and a name may be led to 127.0.0.1 once the page
is there (DNS rebinding). The name stands in the header ``Host``: only names that are this machine's are answered.
"""

from __future__ import annotations

import ipaddress
import json
import socket
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["HostCheck", "is_address", "own_names"]


def own_names(listening: str, more: Iterable[str] = ()) -> frozenset[str]:
    """Return the names that are answered besides addresses: this machine's, the one listened on, and those that were allowed."""
    names = {"localhost", listening, socket.gethostname(), *more}
    return frozenset(name.lower().rstrip(".") for name in names if name)


def is_address(host: str) -> bool:
    """Whether a host is an IP address; no name can be led elsewhere that is none."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class HostCheck:
    """Refuses requests to other names with 421 and a sentence; "*" among the names allows all."""

    def __init__(self, app: ASGIApp, names: frozenset[str]) -> None:
        self._app, self._names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http" and not self._allowed(scope):
            text = (
                "This service does not answer to the name that the request is addressed to (header Host). Ask it by its address, or start "
                "it with --allow-host NAME."
            )
            body = json.dumps({"detail": text}).encode()
            # What is being sent is read, within the limits of every body, or the client would see a reset and no answer.
            while (message := await receive())["type"] == "http.request" and message.get("more_body"):
                pass
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 421, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return
        await self._app(scope, receive, send)

    def _allowed(self, scope: Scope) -> bool:
        if "*" in self._names:
            return True
        values = [value for name, value in scope["headers"] if name == b"host"]
        if len(values) != 1:
            return not values  # HTTP/1.0 has none, and no browser speaks it
        host = values[0].decode("latin-1").strip().lower()
        name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
        name = name.rstrip(".")
        return is_address(name) or name in self._names or name.endswith(".localhost")
