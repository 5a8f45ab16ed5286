"""Connections of the service: how many, and how long each may take to ask and to read its answer.

uvicorn bounds neither the time of a header nor the number of idle connections. Without a bound, some thousand of them use
up the process's file descriptors: nobody is answered, and asyncio logs every connection that it cannot accept.
"""

from __future__ import annotations

import asyncio
import logging
import math
import select
import socket
from collections.abc import Callable, Iterator
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from susx.classifier.lingering import LINGER_FILES, LingeringTransport
from susx.classifier.service_limits import Limits

__all__ = ["DRAIN_SECONDS", "create_server"]

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
)
_LATE = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
"""Written before a connection is closed for its time: the answer to a request that crosses the closing (RFC 9110, 15.5.9)."""
DRAIN_SECONDS = 1.0
"""Seconds that connections stay open, when the server is told to end, for what is on its way."""

_OTHER_FILES = 128 + LINGER_FILES
"""File descriptors that the process needs besides its connections: its own, and of connections that are being closed."""


def create_server(
    app: ASGIApp, limits: Limits, *, on_start: Callable[[], None] = lambda: None
) -> uvicorn.Server:
    """Return a server for one service; ``run(sockets=[...])`` it.

    It writes a line for a fault of its own only, none for what a client does. ``on_start`` is called when it listens. Told to end, it
    answers whatever has reached it: no request that was sent is reset.
    """
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns of every broken form
    draining = asyncio.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                on_start()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            draining.set()
            # What the system has accepted for us would be reset with the listening socket.
            waiting = [connection for listener in sockets or [] for connection in _accepted(listener)]
            for server in self.servers:
                server.close()
            loop = asyncio.get_running_loop()
            for connection in waiting:
                await loop.connect_accepted_socket(self._protocol, connection)
            # Clients that keep their connection send the next request on it until an answer tells them to close it.
            end = loop.time() + DRAIN_SECONDS
            while self.server_state.connections and loop.time() < end:
                await asyncio.sleep(0.02)
            await super().shutdown(sockets)

        def _protocol(self) -> asyncio.Protocol:
            kind: Any = self.config.http_protocol_class
            protocol: asyncio.Protocol = kind(
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state
            )
            return protocol

    return Server(
        uvicorn.Config(
            _LastAnswer(app, draining), http=_protocol(limits), ws="none", log_level="error", access_log=False,
            timeout_graceful_shutdown=math.ceil(limits.timeout), timeout_keep_alive=math.ceil(limits.keep_alive),
        )
    )  # fmt: skip


class _LastAnswer:
    """Says in each answer that its connection ends with it, once the server is told to end."""

    def __init__(self, app: ASGIApp, draining: asyncio.Event) -> None:
        self._app, self._draining = app, draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def last(message: Message) -> None:
            if message["type"] == "http.response.start" and self._draining.is_set():
                message = {**message, "headers": [*message.get("headers", []), (b"connection", b"close")]}
            await send(message)

        await self._app(scope, receive, last if scope["type"] == "http" else send)


def _accepted(listener: socket.socket) -> Iterator[socket.socket]:
    """Yield the connections that wait to be accepted."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        yield connection


def _protocol(limits: Limits) -> type[H11Protocol]:
    most = _affordable(limits.max_connections)
    idle: dict[Protocol, None] = {}
    """Connections of which no request is being answered, the one idle longest first."""
    lingering: dict[LingeringTransport, None] = {}

    class Protocol(H11Protocol):
        deadline: asyncio.TimerHandle | None = None
        answered = False
        """Whether a request of this connection was answered."""
        late = False
        """Whether its time was up once, and something of it had not been read yet."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            ending: Any = LingeringTransport(transport, self.loop, lingering)
            super().connection_made(ending)
            if len(self.connections) - len(lingering) > most:
                longest = next((waiting for waiting in idle if not waiting.unread()), None)
                if longest is None:
                    self.refuse(_FULL)
                    return
                longest.refuse(_FULL)
            self.begin()

        def refuse(self, answer: bytes) -> None:
            """Close a connection that is not being answered, with an answer for what may be on its way."""
            self.end()
            self._unset_keepalive_if_required()
            self.transport.write(answer)
            self.transport.close()

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return  # the answer to it has been written
            super().data_received(data)
            if self in idle and (self.busy or self.resting):
                self.resting = False
                self.begin()

        def handle_events(self) -> None:
            try:
                super().handle_events()
            except h11.LocalProtocolError:  # junk behind an answer: there is nobody to tell
                self.transport.abort()

        def on_response_complete(self) -> None:
            self.answered = self.resting = True
            super().on_response_complete()  # begins with the next request if that has come already
            if self.transport.is_closing():
                self.end()
                # To a client that does not read it, the last answer is not offered for ever.
                self.deadline = self.loop.call_later(4 * limits.timeout, self.transport.abort)
            else:
                self.begin()

        resting = False
        """Whether nothing of a next request has come since the last answer."""

        def timeout_keep_alive_handler(self) -> None:
            if not self.unread() and not self.transport.is_closing():
                self.refuse(_LATE)

        def shutdown(self) -> None:
            if self.busy or not self.unread():  # else its request is read next, and its answer is the last
                super().shutdown()

        def connection_lost(self, exc: Exception | None) -> None:
            self.end()
            ending: Any = self.transport
            ending.forget()
            self.connections.discard(self)
            super().connection_lost(exc)

        @property
        def busy(self) -> bool:
            return self.cycle is not None and not self.cycle.response_complete

        def unread(self) -> bool:
            """Whether bytes of the client lie in the system: on a busy machine a request may have come and not been read yet."""
            number = self.transport.get_extra_info("socket").fileno()
            if number < 0:
                return False
            looking = select.poll()
            looking.register(number, select.POLLIN)
            return bool(looking.poll(0))

        def begin(self) -> None:
            """Start the clock of a request's header, of the next request, or of a request that is being answered."""
            self.end()
            if not self.busy:
                idle[self] = None
            # A body, decoding and the answer have a time limit each; the fourth is for reading the answer.
            waiting = limits.keep_alive if self.resting else limits.header_timeout
            self.late = False
            self.deadline = self.loop.call_later(4 * limits.timeout if self.busy else waiting, self.expire)

        def expire(self) -> None:
            """Close a connection whose time is up; what has come unread meanwhile is read first."""
            if self.busy:
                self.transport.abort()
            elif not self.late and self.unread():
                self.late = True
                self.deadline = self.loop.call_later(1.0, self.expire)
            else:
                self.refuse(_LATE)

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
