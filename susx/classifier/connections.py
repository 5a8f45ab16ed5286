"""Connections of the service: how many, and how long each may take to ask and to read its answer.

uvicorn bounds neither the time of a header nor the number of idle connections. Without a bound, some thousand of them use
up the process's file descriptors: nobody is answered, and asyncio logs every connection that it cannot accept.
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from susx.classifier.limits import Limits

__all__ = ["create_server"]

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
)
_OTHER_FILES = 128
"""File descriptors that the process needs besides its connections."""


def create_server(
    app: ASGIApp, limits: Limits, *, on_start: Callable[[], None] = lambda: None
) -> uvicorn.Server:
    """Return a server for one service; ``run(sockets=[...])`` it.

    It writes a line for a fault of its own only, none for what a client does. ``on_start`` is called when it listens.
    """
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns of every broken form

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                on_start()

    return Server(
        uvicorn.Config(
            app, http=_protocol(limits), ws="none", log_level="error", access_log=False,
            timeout_graceful_shutdown=math.ceil(limits.timeout),
        )
    )  # fmt: skip


def _protocol(limits: Limits) -> type[H11Protocol]:
    most = _affordable(limits.max_connections)
    idle: dict[Protocol, None] = {}
    """Connections of which no request is being answered, the one idle longest first."""

    class Protocol(H11Protocol):
        deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > most:
                if not idle:
                    transport.write(_FULL)
                    transport.close()
                    return
                longest = next(iter(idle))
                longest.transport.abort()
                longest.end()
            self.begin()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self in idle and self.busy:
                self.begin()

        def handle_events(self) -> None:
            try:
                super().handle_events()
            except h11.LocalProtocolError:  # junk behind an answer: there is nobody to tell
                self.transport.abort()

        def on_response_complete(self) -> None:
            super().on_response_complete()  # begins with the next request if that has come already
            if self.transport.is_closing():
                self.end()
            else:
                self.begin()

        def connection_lost(self, exc: Exception | None) -> None:
            self.end()
            self.connections.discard(self)
            super().connection_lost(exc)

        @property
        def busy(self) -> bool:
            return self.cycle is not None and not self.cycle.response_complete

        def begin(self) -> None:
            """Start the clock of a request's header, or of a request that is being answered."""
            self.end()
            if not self.busy:
                idle[self] = None
            # A body, decoding and the answer have a time limit each; the fourth is for reading the answer.
            seconds = 4 * limits.timeout if self.busy else limits.header_timeout
            self.deadline = self.loop.call_later(seconds, self.transport.abort)

        def end(self) -> None:
            idle.pop(self, None)
            if self.deadline is not None:
                self.deadline.cancel()

    return Protocol


def _affordable(connections: int) -> int:
    """Return the number of connections that the limit of open files allows, after raising that as far as it goes."""
    try:
        import resource
    except ImportError:  # pragma: no cover (Windows has no such limit)
        return connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted: Any = connections + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections if soft == resource.RLIM_INFINITY else max(1, min(connections, soft - _OTHER_FILES))
